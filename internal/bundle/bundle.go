// Package bundle writes what someone who helps needs to know of a fleet and its operator: one archive, with nothing about people and no
// secrets. It reads only, with the rights of whoever asks.
package bundle

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"numberfleet.dev/numberfleet/internal/doctor"
)

// Options say what is gathered.
type Options struct {
	// Doctor says what is examined, and whose resources are written.
	Doctor doctor.Options
	// Cluster is asked for logs and for the version of the API server.
	Cluster kubernetes.Interface
}

// Write writes an archive: a tar in gzip, in which everything is below one folder. What cannot be read is left out, and named in it.
func Write(ctx context.Context, to io.Writer, o Options) error {
	compressed := gzip.NewWriter(to)
	b := &bundle{Options: o, masker: newMasker(), tar: tar.NewWriter(compressed), folder: FolderAt(o.Doctor.Now)}
	for _, part := range []func(context.Context) error{b.know, b.findings, b.versions, b.resources, b.events, b.operator, b.logs} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	if err := b.add("README.txt", []byte(readme)); err != nil {
		return err
	}
	if err := b.add("unread.txt", []byte(strings.Join(b.unread, ""))); err != nil {
		return err
	}
	if err := b.tar.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

// FolderAt is the name of the folder in an archive that is made at a time.
func FolderAt(now time.Time) string {
	return "numberfleet-report-" + now.UTC().Format("20060102T150405Z")
}

const readme = `What stands here of a fleet and its operator. It was made by kubectl phonenumbers report, with the rights of whoever called it.

findings.yaml      what kubectl phonenumbers doctor finds
versions.yaml      of the plugin and of the API server; those of the operator are in operator/deployments.yaml
resources/         the resources of numberfleet, one file for each kind
events.yaml        the Events about them, and those of the operator's namespace
operator/          the objects of the operator's namespace, and its configuration
operator/logs/     the logs of its pods; .previous is that of the container before
unread.txt         what could not be read, and why

Nothing here is about people or secret:
- Phone numbers, ids of users and messages, mail addresses, display names, names of businesses and notes are replaced by words that are the
  same for the same text within this archive alone. Of a phone number the last two digits are kept.
- Secrets are not read into it. Values of environment variables, and addresses and logins in the configuration, are replaced.
- Names of resources, namespaces, labels, templates, and the ids that Meta gives to numbers, accounts and portfolios are as they are.
`

// bundle is an archive that is written.
type bundle struct {
	Options
	*masker
	tar    *tar.Writer
	folder string
	unread []string
}

// add adds a file, masked.
func (b *bundle) add(name string, content []byte) error {
	content = b.text(content)
	header := &tar.Header{Name: path.Join(b.folder, name), Mode: 0o600, Size: int64(len(content)), ModTime: b.Doctor.Now, Format: tar.FormatPAX}
	if err := b.tar.WriteHeader(header); err != nil {
		return err
	}
	_, err := b.tar.Write(content)
	return err
}

// addYAML adds a file with a value.
func (b *bundle) addYAML(name string, value any) error {
	content, err := yaml.Marshal(value)
	if err != nil {
		return err
	}
	return b.add(name, content)
}

// miss notes what could not be read.
func (b *bundle) miss(what string, err error) {
	b.unread = append(b.unread, fmt.Sprintf("%s: %s\n", what, err))
}

func (b *bundle) findings(ctx context.Context) error {
	report, err := doctor.Examine(ctx, b.Doctor)
	if err != nil {
		return err
	}
	return b.addYAML("findings.yaml", report)
}

func (b *bundle) versions(context.Context) error {
	of := map[string]string{"plugin": b.Doctor.Version}
	if server, err := b.Cluster.Discovery().ServerVersion(); err != nil {
		b.miss("the version of the API server", err)
	} else {
		of["server"], of["platform"] = server.GitVersion, server.Platform
	}
	return b.addYAML("versions.yaml", of)
}

// inOperatorNamespace are the options to list what is there.
func (b *bundle) inOperatorNamespace() client.ListOption {
	return client.InNamespace(b.Doctor.OperatorNamespace)
}
