package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// jetStream is what a node says of JetStream on its monitoring port, /jsz.
type jetStream struct {
	Meta     raftGroup `json:"meta_cluster"`
	Accounts []struct {
		Streams []struct {
			Name    string    `json:"name"`
			Cluster raftGroup `json:"cluster"`
		} `json:"stream_detail"`
	} `json:"account_details"`
}

// raftGroup is a group of nodes as one of them sees it: that of a stream, or of all of the cluster.
type raftGroup struct {
	Leader   string `json:"leader"` // empty: none is known
	Replicas []struct {
		Name string `json:"name"`
	} `json:"replicas"` // the others
	Size int `json:"cluster_size"` // of all of the cluster only
}

// size is of how many nodes the group is.
func (g raftGroup) size() int { return max(g.Size, 1+len(g.Replicas)) }

// stream is the group of a stream; it has no leader if the node does not have the stream.
func (s *jetStream) stream(name string) raftGroup {
	for _, account := range s.Accounts {
		for _, stream := range account.Streams {
			if stream.Name == name {
				return stream.Cluster
			}
		}
	}
	return raftGroup{}
}

func (n *Node) jetStream(ctx context.Context) (*jetStream, error) {
	var seen jetStream
	return &seen, n.get(ctx, "/jsz?streams=true", &seen)
}

// get asks the monitoring port. It is an error if the node does not answer 200 within a second.
func (n *Node) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.monitor+path, http.NoBody)
	if err != nil {
		return err
	}
	response, err := n.cluster.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", n.Name, response.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}
