package rig

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// Operator is the operator's program. Its addresses and its app secret stay the same over restarts.
type Operator struct {
	*Process
	OperatorOptions
	Webhook, Events, Guard, Scaler, Metrics, Probe string // host:port

	secret string // the app secret that signs webhooks
	client *http.Client
}

// OperatorOptions say how the operator's program is started.
type OperatorOptions struct {
	Binary     string
	Kubeconfig string
	DataDir    string
	Folder     string   // for the webhook credentials; those of an earlier run are used
	Env        []string // in addition to the environment of this process
	Log        string   // file that the log is appended to; empty: it is kept for errors
}

// NewOperator chooses addresses and makes webhook credentials. Start starts it.
func NewOperator(o OperatorOptions) (*Operator, error) {
	op := &Operator{OperatorOptions: o, client: &http.Client{Timeout: 30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: 4, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}} // #nosec G402 -- the operator's own certificate on loopback
	if err := op.NewAddresses(); err != nil {
		return nil, err
	}
	_, err := Credential(op.credentials(), "verify-token")
	if err != nil {
		return nil, err
	}
	op.secret, err = Credential(op.credentials(), "app-secret")
	return op, err
}

// NewAddresses chooses other addresses.
func (o *Operator) NewAddresses() error {
	addresses, err := FreeAddresses(6)
	if err != nil {
		return err
	}
	o.Webhook, o.Events, o.Guard, o.Scaler, o.Metrics, o.Probe = addresses[0], addresses[1], addresses[2], addresses[3], addresses[4], addresses[5]
	return nil
}

func (o *Operator) credentials() string { return filepath.Join(o.Folder, "webhook") }

// WebhookURL is where Meta's webhooks go.
func (o *Operator) WebhookURL() string { return "http://" + o.Webhook + "/webhooks/whatsapp" }

// EventsURL is where CloudEvents go, if the event API was asked for.
func (o *Operator) EventsURL() string { return "http://" + o.Events + "/v1/events" }

// GuardURL is the base URL of the guard, if it was asked for.
func (o *Operator) GuardURL() string { return "http://" + o.Guard }

// Start runs the program with the flags that it has in a cluster, and more.
func (o *Operator) Start(flags ...string) (err error) {
	o.Process, err = Start(Command{Name: "the operator", Path: o.Binary, Env: o.Env, Log: o.Log, Args: slices.Concat([]string{
		"--kubeconfig=" + o.Kubeconfig,
		"--leader-elect", "--leader-election-namespace=" + Namespace,
		"--data-dir=" + o.DataDir,
		"--webhook-bind-address=" + o.Webhook,
		"--webhook-credentials=" + o.credentials(),
		"--metrics-bind-address=" + o.Metrics,
		"--health-probe-bind-address=" + o.Probe,
	}, flags)})
	return err
}

// TimeLapse are the flags with which the operator's clock shows origin when the real clock shows anchor, and runs at a speed.
func TimeLapse(anchor, origin time.Time, speed float64) []string {
	return []string{
		"--time-lapse-speed=" + strconv.FormatFloat(speed, 'g', -1, 64),
		"--time-lapse-anchor=" + anchor.Format(time.RFC3339Nano),
		"--time-lapse-origin=" + origin.Format(time.RFC3339Nano),
	}
}

// Ready waits until the operator takes webhooks; ErrEnded if it ends instead.
func (o *Operator) Ready(ctx context.Context) error {
	return o.Until(ctx, func(ctx context.Context) bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.Probe+"/readyz", http.NoBody)
		if err != nil {
			return false
		}
		response, err := o.client.Do(request)
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
	})
}

// Scrape reads some of the operator's metrics with the token of who may.
func (o *Operator) Scrape(ctx context.Context, token string, names ...string) (model.Vector, error) {
	return Scrape(ctx, o.client, "https://"+o.Metrics+"/metrics", token, names...)
}

// ScrapeAll reads all metrics as a Prometheus does, and says how many bytes they are before they are compressed.
func (o *Operator) ScrapeAll(ctx context.Context, token string) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+o.Metrics+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := o.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the metrics are answered with %s", response.Status)
	}
	return io.Copy(io.Discard, response.Body)
}

// Scrape reads some metrics, with a bearer token if there is one. A metric that is not there has no samples.
func Scrape(ctx context.Context, from *http.Client, url, token string, names ...string) (model.Vector, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := from.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return nil, err
	}
	var samples model.Vector
	for _, name := range names {
		if family := families[name]; family != nil {
			some, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, family)
			if err != nil {
				return nil, err
			}
			samples = append(samples, some...)
		}
	}
	return samples, nil
}

// PostWebhook posts the body of a webhook, signed, and returns the status and the beginning of the answer.
func (o *Operator) PostWebhook(ctx context.Context, body []byte) (status int, answer string, err error) {
	return o.PostSigned(ctx, body, metatest.Sign(o.secret, body))
}

// PostSigned posts the body of a webhook with a signature.
func (o *Operator) PostSigned(ctx context.Context, body []byte, signature string) (status int, answer string, err error) {
	return o.post(ctx, o.WebhookURL(), body, map[string]string{"Content-Type": "application/json", "X-Hub-Signature-256": signature})
}

// Sign is the signature of a webhook.
func (o *Operator) Sign(body []byte) string { return metatest.Sign(o.secret, body) }

// PostEvents posts CloudEvents of a media type with the token of a caller.
func (o *Operator) PostEvents(ctx context.Context, body []byte, mediaType, token string) (status int, answer string, err error) {
	return o.post(ctx, o.EventsURL(), body, map[string]string{"Content-Type": mediaType, "Authorization": "Bearer " + token})
}

func (o *Operator) post(ctx context.Context, url string, body []byte, headers map[string]string) (status int, answer string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := o.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	return response.StatusCode, string(content), err
}

// Credential reads a secret of an earlier run, or makes one.
func Credential(folder, name string) (string, error) {
	file := filepath.Join(folder, name)
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return "", err
		}
		content = []byte(rand.Text())
		err = os.WriteFile(file, content, 0o600)
	}
	return string(content), err
}
