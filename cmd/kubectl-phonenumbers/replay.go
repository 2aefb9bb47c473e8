package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"numberfleet.dev/numberfleet/internal/replay"
)

type replayFlags struct {
	webhooks, to, secretFile, caFile, posted string
	rate                                     float64
}

func replayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay --webhooks FILE|DIR --to URL --app-secret-file FILE",
		Short: "Post kept webhooks to a running operator",
		Long: `Post webhooks that someone kept to a running operator, signed as Meta signs them, so that its counts are right from the first day.

Webhooks are read as simulate --webhooks reads them. All are read before the first is posted, and they are posted one after the other, in
order of what they say happened. Those of which all is older than 37 days are left out: nothing counts over a longer time. What the
operator cannot take now is tried again, ten times at most. What it has taken is remembered in a file, so that the same command goes on
where it was ended; a webhook that is posted twice changes nothing.`,
		Example: `  # The webhooks of the last weeks, to an operator that has just been installed.
  kubectl -n numberfleet-system port-forward service/numberfleet-webhook 8080 &
  kubectl phonenumbers replay --webhooks kept/ --to http://localhost:8080/webhooks/whatsapp --app-secret-file app-secret`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.webhooks, "webhooks", "", "File with webhook bodies as Meta posted them, or directory of such files.")
	flags.StringVar(&f.to, "to", "", "URL at which the operator receives the app's webhooks.")
	flags.StringVar(&f.secretFile, "app-secret-file", "", "File with the secret of the app, which signs the webhooks.")
	flags.StringVar(&f.caFile, "ca-file", "", "File with the certificates, in PEM, by which the operator's is trusted. If left out, those that the machine trusts.")
	flags.StringVar(&f.posted, "posted-file", "", "File that remembers what was posted. If left out, the name of the webhooks with .posted behind it.")
	flags.Float64Var(&f.rate, "rate", 200, "How many webhooks are posted a second, at most.")
	require(cmd, "webhooks", "to", "app-secret-file")
	return cmd
}

func (f *replayFlags) run(cmd *cobra.Command) error {
	if to, err := url.Parse(f.to); err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return usageErrorf("--to: must be the URL at which the operator receives webhooks, such as https://hooks.example.com/webhooks/whatsapp")
	}
	if f.webhooks == "-" {
		return usageErrorf("--webhooks: must be a file or a directory: the standard input cannot be read twice")
	}
	if !(f.rate > 0 && f.rate <= 1e6) {
		return usageErrorf("--rate: must be more than 0, and 1000000 at most")
	}
	secret, err := readSecret("--app-secret-file", f.secretFile)
	if err != nil {
		return err
	}
	client, err := f.client()
	if err != nil {
		return err
	}
	queue, err := replay.ReadQueue(f.webhooks, time.Now())
	if err != nil {
		return usageErrorf("--webhooks: %w", err)
	}
	progress := newProgress(cmd.ErrOrStderr(), queue.Len())
	summary, err := queue.Post(cmd.Context(), replay.Options{
		Target: replay.Target{URL: f.to, Secret: secret, Client: client, Tries: 10, Wait: time.Second}, Rate: rate.Limit(f.rate),
		Posted: cmp.Or(f.posted, filepath.Clean(f.webhooks)+".posted"), Done: progress.next,
	})
	progress.end()
	fmt.Fprintf(cmd.OutOrStdout(), "%d webhooks posted; %d were before, %d are older than %.0f days and left out, %d were refused.\n",
		summary.Posted, summary.Before, queue.Old, replay.Oldest.Hours()/24, len(summary.Refused))
	for _, refused := range summary.Refused {
		fmt.Fprintln(cmd.OutOrStdout(), refused)
	}
	if err == nil && len(summary.Refused) > 0 {
		err = errors.New("the operator refused some of the webhooks")
	}
	return err
}

// client trusts the certificates that the flags name. It follows no redirects, which would lose what is posted.
func (f *replayFlags) client() (*http.Client, error) {
	trusted, err := readTrusted("--ca-file", f.caFile)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = trusted
	return &http.Client{
		Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// progress shows how far a command has come: by a bar on a terminal, else by a line for each tenth.
type progress struct {
	to        io.Writer
	bar       *progressbar.ProgressBar // nil where it is no terminal
	done, all int
}

func newProgress(to io.Writer, all int) *progress {
	p := &progress{to: to, all: all}
	if isTerminal(to) {
		p.bar = progressbar.NewOptions(all, progressbar.OptionSetWriter(to), progressbar.OptionSetDescription("posting"), progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionSetItsString("webhooks"), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionFullWidth())
	}
	return p
}

func (p *progress) next() {
	p.done++
	if p.bar != nil {
		_ = p.bar.Add(1) // it is only shown
	} else if tenth := max(1, p.all/10); p.done%tenth == 0 || p.done == p.all {
		fmt.Fprintf(p.to, "%d of %d webhooks\n", p.done, p.all)
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Exit() // it is only shown
		fmt.Fprintln(p.to)
	}
}
