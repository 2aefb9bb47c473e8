package main

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/config/policies"
)

const (
	// completeProgram is what kubectl runs to complete the words behind `kubectl phonenumbers`: this program under another name.
	completeProgram = "kubectl_complete-phonenumbers"
	// completeTimeout is how long a shell waits for names, at most.
	completeTimeout = 2 * time.Second
	// completeMost is how many names of a kind are offered.
	completeMost = 500
)

// completing has a program that was called by kubectl for completions complete.
func completing(args []string) []string {
	if strings.TrimSuffix(filepath.Base(args[0]), ".exe") == completeProgram {
		return append([]string{cobra.ShellCompRequestCmd}, args[1:]...)
	}
	return args[1:]
}

// completeFlag offers the values of a flag.
func completeFlag(cmd *cobra.Command, flag string, values ...string) {
	complete(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// completePolicy offers the policies that ship, and files.
func completePolicy(cmd *cobra.Command) {
	complete(cmd, "policy", cobra.FixedCompletions(policies.Names(), cobra.ShellCompDirectiveDefault))
	completeFlag(cmd, "verification", string(v1alpha1.Verified), string(v1alpha1.Unverified))
}

func complete(cmd *cobra.Command, flag string, values cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, values); err != nil {
		panic(err) // there is no such flag
	}
}

// addConfigFlags adds kubectl's flags, and offers namespaces and contexts.
func addConfigFlags(cmd *cobra.Command, flags *genericclioptions.ConfigFlags) {
	flags.AddFlags(cmd.Flags())
	complete(cmd, "namespace", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return names(cmd.Context(), flags, schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, ""), cobra.ShellCompDirectiveNoFileComp
	})
	complete(cmd, "context", func(*cobra.Command, []string, string) (contexts []string, _ cobra.ShellCompDirective) {
		if config, err := flags.ToRawKubeConfigLoader().RawConfig(); err == nil {
			for name := range config.Contexts {
				contexts = append(contexts, name)
			}
		}
		return contexts, cobra.ShellCompDirectiveNoFileComp
	})
}

// completeObject offers what a command takes as its only argument: the name of a PhoneNumber, or one of the kinds, a slash and a name.
func completeObject(flags *genericclioptions.ConfigFlags, kinds ...string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		for _, kind := range kinds {
			prefix := strings.ToLower(kind) + "/"
			if !strings.HasPrefix(toComplete, prefix) {
				continue
			}
			if kind == "BusinessPortfolio" {
				namespace = ""
			}
			found := names(cmd.Context(), flags, v1alpha1.GroupVersion.WithKind(kind), namespace)
			for i := range found {
				found[i] = prefix + found[i]
			}
			return found, cobra.ShellCompDirectiveNoFileComp
		}
		found, directive := names(cmd.Context(), flags, v1alpha1.GroupVersion.WithKind("PhoneNumber"), namespace), cobra.ShellCompDirectiveNoFileComp
		for _, kind := range kinds {
			if prefix := strings.ToLower(kind) + "/"; toComplete != "" && strings.HasPrefix(prefix, toComplete) {
				found, directive = append(found, prefix), directive|cobra.ShellCompDirectiveNoSpace
			}
		}
		return found, directive
	}
}

// names are the names of the objects of a kind, as far as they can be listed in time. A shell has no place for errors.
func names(ctx context.Context, flags *genericclioptions.ConfigFlags, kind schema.GroupVersionKind, namespace string) (found []string) {
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	api, err := newClient(flags, metav1.AddMetaToScheme)
	if err != nil {
		return nil
	}
	var list metav1.PartialObjectMetadataList
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := api.List(ctx, &list, client.InNamespace(namespace), client.Limit(completeMost)); err != nil {
		return nil
	}
	for i := range list.Items {
		found = append(found, list.Items[i].Name)
	}
	return found
}
