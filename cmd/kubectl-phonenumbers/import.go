package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/text/unicode/norm"
	"k8s.io/utils/clock"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/meta/graph"
	"numberfleet.dev/numberfleet/internal/version"
)

// importFlags say what to import, and into what.
type importFlags struct {
	account, tokenFile, appSecretFile, baseURL, version string
	namespace, portfolio                                string
}

func importCommand() *cobra.Command {
	var of importFlags
	cmd := &cobra.Command{
		Use:   "import --account ID --token-file FILE",
		Short: "Print a PhoneNumber for each number of a WhatsApp Business account, ready for Git",
		Long: `Print a PhoneNumber for each number of a WhatsApp Business account, ready for Git.

The numbers are read from Meta's Graph API, with an access token that has whatsapp_business_management. No cluster is
asked or changed. The manifests are sorted, and the same as long as the account has the same numbers under the same names.`,
		Example: `  # All numbers of an account, which share their limit as the portfolio acme
  kubectl phonenumbers import --account 102290129340398 --token-file token --namespace fleet --portfolio acme > fleet.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return of.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&of.account, "account", "", "Meta's id of the WhatsApp Business account.")
	flags.StringVar(&of.appSecretFile, "app-secret-file", "", "File with the secret of the app that the token was made for. Needed only where the app demands a proof of each call.")
	flags.StringVar(&of.tokenFile, "token-file", "", "File with an access token that may read the account.")
	flags.StringVar(&of.baseURL, "base-url", graph.DefaultBaseURL, "Where the Graph API is; https, or on this machine.")
	flags.StringVar(&of.version, "graph-version", graph.DefaultVersion, "Version of the Graph API.")
	flags.StringVarP(&of.namespace, "namespace", "n", "", "Namespace to write into the manifests; none where it is left out.")
	flags.StringVar(&of.portfolio, "portfolio", "", "Name of the BusinessPortfolio that the numbers belong to; none where it is left out.")
	require(cmd, "account", "token-file")
	return cmd
}

// manifest is a PhoneNumber as people write it: without a status, and without fields that are empty.
type manifest struct {
	APIVersion string                   `json:"apiVersion"`
	Kind       string                   `json:"kind"`
	Metadata   manifestMetadata         `json:"metadata"`
	Spec       v1alpha1.PhoneNumberSpec `json:"spec"`
}

type manifestMetadata struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

func (i *importFlags) run(ctx context.Context, to io.Writer) error {
	if !identity.IsMetaID(i.account) {
		return usageErrorf("--account: an id of Meta's has 1 to 32 digits")
	}
	from := func(flag, file string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return readSecret(flag, file) }
	}
	var appSecret func(context.Context) (string, error)
	if i.appSecretFile != "" {
		appSecret = from("--app-secret-file", i.appSecretFile)
	}
	api, err := graph.New(graph.Options{
		Token: from("--token-file", i.tokenFile), AppSecret: appSecret,
		Clock: clock.RealClock{}, Version: i.version, BaseURL: i.baseURL, UserAgent: "kubectl-phonenumbers/" + version.Release(),
	})
	if err != nil {
		return err
	}
	numbers, err := api.PhoneNumbers(ctx, i.account)
	if err != nil {
		return err
	}
	manifests, unreadable := i.manifests(numbers)
	var out bytes.Buffer
	for n, m := range manifests {
		if n > 0 {
			out.WriteString("---\n")
		}
		written, err := yaml.Marshal(m)
		if err != nil {
			return fmt.Errorf("write the manifest %s: %w", m.Metadata.Name, err)
		}
		out.Write(written)
	}
	if _, err := to.Write(out.Bytes()); err != nil {
		return err
	}
	if len(unreadable) > 0 {
		return fmt.Errorf("left out, for Meta shows no phone number of them: %s", strings.Join(unreadable, ", "))
	}
	if len(manifests) == 0 {
		return errors.New("the account has no phone numbers")
	}
	return nil
}

// manifests are those of the numbers, by name, and the ids of numbers that there can be none for.
func (i *importFlags) manifests(numbers []graph.PhoneNumber) (manifests []manifest, unreadable []string) {
	names := namesOf(numbers)
	for n := range numbers {
		number := &numbers[n]
		e164, ok := identity.E164(number.DisplayPhoneNumber)
		if !ok {
			unreadable = append(unreadable, number.ID)
			continue
		}
		m := manifest{APIVersion: v1alpha1.GroupVersion.String(), Kind: "PhoneNumber", Metadata: manifestMetadata{names[n], i.namespace}}
		m.Spec.PhoneNumber, m.Spec.PhoneNumberID = e164, number.ID
		m.Spec.DisplayName = firstOf(number.VerifiedName, maxDisplayName)
		m.Spec.Business.WhatsAppBusinessAccountID, m.Spec.Business.Portfolio = i.account, i.portfolio
		manifests = append(manifests, m)
	}
	slices.SortFunc(manifests, func(a, b manifest) int { return strings.Compare(a.Metadata.Name, b.Metadata.Name) })
	slices.Sort(unreadable)
	return manifests, unreadable
}

const (
	maxName        = 63  // of a DNS label, in bytes
	maxDisplayName = 128 // of spec.displayName, in characters
)

// namesOf are the names of the numbers' resources. Where several have one name, all of them get their id, so that none is
// renamed when another comes or goes.
func namesOf(numbers []graph.PhoneNumber) []string {
	names := make([]string, len(numbers))
	for n := range numbers {
		names[n] = nameOf(&numbers[n])
	}
	for range 2 { // a name with an id may be the name of another number
		had := map[string]int{}
		for _, name := range names {
			had[name]++
		}
		for n, name := range names {
			id := "-" + numbers[n].ID
			if had[name] > 1 && !strings.HasSuffix(name, id) {
				names[n] = strings.TrimRight(name[:min(len(name), maxName-len(id))], "-") + id
			}
		}
	}
	return names
}

// nameOf is the number's verified name as a DNS label: letters without their accents, and a hyphen for all else. It is made
// from the id where none of the name is left.
func nameOf(number *graph.PhoneNumber) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(number.VerifiedName)) {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r) || r == '\'' || r == '’': // an accent; Joe's is joes
		case !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := strings.Trim(b.String(), "-")
	name = strings.Trim(name[:min(len(name), maxName)], "-")
	if name == "" {
		return "number-" + number.ID
	}
	return name
}

// firstOf are the first characters of a text.
func firstOf(text string, characters int) string {
	runes := []rune(text)
	return strings.TrimSpace(string(runes[:min(len(runes), characters)]))
}
