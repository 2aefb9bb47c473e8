package graph

import (
	"context"
	"net/url"
	"strconv"

	"numberfleet.dev/numberfleet/internal/identity"
)

// NodeSubscriptions are the apps that get the webhooks of an account.
const NodeSubscriptions Node = "subscribed apps of the account"

// SubscribedApps are Meta's ids of the apps that are subscribed to an account, and so get its webhooks: at most a hundred. It takes
// one call.
func (c *Client) SubscribedApps(ctx context.Context, account string) ([]string, error) {
	if !identity.IsMetaID(account) {
		return nil, &Error{Kind: Permanent, What: NodeSubscriptions.of(account), cause: errID}
	}
	body, err := c.call(ctx, NodeSubscriptions, account, "subscribed_apps", url.Values{"limit": {strconv.Itoa(pageSize)}})
	if err != nil {
		return nil, err
	}
	apps, err := readApps(body)
	if err != nil {
		return nil, malformed(NodeSubscriptions, account, err)
	}
	return apps, nil
}

// readApps reads the ids of a list of apps. One without an id that can be read is an app all the same, and has an empty one.
func readApps(body []byte) ([]string, error) {
	page, err := readPage(body)
	if err != nil {
		return nil, err
	}
	apps := []string{}
	for _, raw := range page.Data[:min(len(page.Data), pageSize)] {
		o, err := newObject(raw, nil)
		if err != nil {
			return nil, err
		}
		id := o.object("whatsapp_business_api_data").id("id")
		if id == "" {
			id = o.id("id")
		}
		apps = append(apps, id)
	}
	return apps, nil
}
