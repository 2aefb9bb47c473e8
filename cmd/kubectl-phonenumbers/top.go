package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/client-go/tools/cache"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apiclient "numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/overview"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

// topPeriod is how often a terminal is drawn again.
const topPeriod = time.Second

func topCommand() *cobra.Command {
	var f clusterFlags
	var output outputFormat
	var once bool
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show all numbers live, those first that have used most of their limits",
		Long: `Show all numbers live, those first that have used most of their limits. A terminal shows as many as it has lines, and is drawn again each
second, until Ctrl-C. Elsewhere, for programs, or with --once, all numbers are written once.`,
		Example: `  # Which numbers are near their limits?
  kubectl phonenumbers top -A`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, namespace, operator, err := f.open()
			if err != nil {
				return err
			}
			to, selection := cmd.OutOrStdout(), apiclient.Selection{Namespace: namespace}
			view := topView{paint: paletteOf(to), format: output, namespaces: namespace == ""}
			if once || output == outputJSON || output == outputYAML || !isTerminal(to) {
				numbers, err := listNumbers(cmd.Context(), api, namespace)
				if err != nil {
					return err
				}
				view.numbers, view.standing = numbers, remote.Read(cmd.Context(), operator, selection)
				return view.write(to)
			}
			numbers, err := watchNumbers(cmd.Context(), operator, api, namespace)
			if err != nil {
				return err
			}
			view.standing = &remote.Standing{}
			go view.standing.Follow(cmd.Context(), operator, selection, func() {})
			ticker := time.NewTicker(topPeriod)
			defer ticker.Stop()
			return view.follow(cmd.Context(), to, numbers, ticker.C, func() (width, height int) {
				width, height, _ = term.GetSize(int(to.(*os.File).Fd())) // #nosec G115 -- a file descriptor; what has no size is drawn without lines
				return width, height
			})
		},
	}
	addClusterFlags(cmd, &f)
	f.addAllNamespaces(cmd)
	cmd.Flags().BoolVar(&once, "once", false, "Write all numbers once.")
	addOutput(cmd, &output, "How to write it: for people, with more columns, or for programs.", outputTable, outputWide, outputJSON, outputYAML)
	return cmd
}

// listNumbers are the numbers of a namespace, or of all where it is empty.
func listNumbers(ctx context.Context, api client.Reader, namespace string) (all []v1alpha1.Object, err error) {
	var list v1alpha1.PhoneNumberList
	if err := api.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	for i := range list.Items {
		all = append(all, &list.Items[i])
	}
	return all, nil
}

// watchNumbers keeps the numbers of a namespace in memory until ctx is done. It fails where they may not be listed.
func watchNumbers(ctx context.Context, o *remote.Options, api client.Client, namespace string) (func() ([]v1alpha1.Object, error), error) {
	if err := api.List(ctx, &v1alpha1.PhoneNumberList{}, client.InNamespace(namespace), client.Limit(1)); err != nil {
		return nil, err
	}
	watched, err := ctrlcache.New(o.Config, ctrlcache.Options{
		Scheme: api.Scheme(), Mapper: api.RESTMapper(), DefaultNamespaces: map[string]ctrlcache.Config{namespace: {}},
		DefaultTransform:         ctrlcache.TransformStripManagedFields(),
		DefaultWatchErrorHandler: func(context.Context, *cache.Reflector, error) {}, // it is watched again
	})
	if err != nil {
		return nil, err
	}
	if _, err := watched.GetInformer(ctx, &v1alpha1.PhoneNumber{}, ctrlcache.BlockUntilSynced(false)); err != nil {
		return nil, err
	}
	go func() { _ = watched.Start(ctx) }() // it returns when ctx is done
	if !watched.WaitForCacheSync(ctx) {
		return nil, ctx.Err()
	}
	return func() ([]v1alpha1.Object, error) { return listNumbers(ctx, watched, namespace) }, nil
}

// topView is what top shows.
type topView struct {
	numbers  []v1alpha1.Object
	standing *remote.Standing

	paint      palette
	format     outputFormat
	namespaces bool
}

// write writes all numbers.
func (v *topView) write(to io.Writer) error {
	if v.format == outputJSON || v.format == outputYAML {
		return encodeFleet(to, v.format, v.fullest(len(v.numbers)))
	}
	for _, h := range v.head() {
		fmt.Fprintln(to, v.paint.urgent(h.urgency, h.text))
	}
	return v.table(len(v.numbers)).write(to, v.paint, v.format == outputWide)
}

// headline is a line above the table.
type headline struct {
	urgency overview.Urgency
	text    string
}

// head says how many numbers there are and how old what is shown is.
func (v *topView) head() []headline {
	lines := []headline{{overview.Fine, counted(v.numbers)}}
	if problem := v.standing.Problem(); problem != nil {
		lines = append(lines, headline{overview.Watch, notLive(problem) + " The counts are those of the statuses."})
	}
	return lines
}

// fullest are so many of the numbers, those first that have used most.
func (v *topView) fullest(most int) []resource {
	all := make([]resource, len(v.numbers))
	for i, n := range v.numbers {
		all[i] = resource{Object: n}
		all[i].item, all[i].live = v.standing.Of(n)
	}
	slices.SortFunc(all, func(a, b resource) int { return fullest(&a.item, &b.item) })
	all = all[:min(len(all), most)]
	for i := range all {
		all[i].problems = overview.Problems(all[i].Object, &all[i].item)
	}
	return all
}

// table has the first numbers.
func (v *topView) table(most int) *statusTable {
	t := newStatusTable("NUMBER", v.namespaces)
	for _, r := range v.fullest(most) {
		t.add(&r)
	}
	return t
}

// The codes of a terminal: its other screen without a cursor, and back; to the first line; to the end of the line, and of the screen.
const (
	otherScreen = "\x1b[?1049h\x1b[?25l"
	firstScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearRest   = "\x1b[J"
)

// follow draws at each tick until ctx is done.
func (v *topView) follow(ctx context.Context, to io.Writer, numbers func() ([]v1alpha1.Object, error), ticks <-chan time.Time, size func() (width, height int)) (err error) {
	fmt.Fprint(to, otherScreen)
	defer fmt.Fprint(to, firstScreen)
	for {
		if v.numbers, err = numbers(); err != nil {
			return err
		}
		if err := v.draw(to, size); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks:
		}
	}
}

// draw draws as many numbers as there are lines, in one write.
func (v *topView) draw(to io.Writer, size func() (width, height int)) error {
	width, height := size()
	var screen strings.Builder
	screen.WriteString(home)
	line := func(text string, urgency overview.Urgency) {
		screen.WriteString(v.paint.urgent(urgency, cut(text, width)) + clearLine + "\n")
	}
	head := v.head()
	for _, h := range head {
		line(h.text, h.urgency)
	}
	t := v.table(max(0, height-len(head)-2)) // without the columns' names, and the line of the cursor
	for i, text := range t.lines(v.format == outputWide) {
		urgency := overview.Fine
		if i > 0 {
			urgency = t.rows[i-1].urgency
		}
		line(text, urgency)
	}
	_, err := io.WriteString(to, screen.String()+clearRest)
	return err
}

// cut is as much of a line as fits into a width.
func cut(line string, width int) string {
	for i := range line {
		if width == 0 {
			return line[:i]
		}
		width--
	}
	return line
}
