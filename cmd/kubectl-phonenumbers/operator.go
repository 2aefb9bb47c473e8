package main

import (
	"cmp"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

// clusterFlags are those of a command that reads a cluster, and asks its operator.
type clusterFlags struct {
	*genericclioptions.ConfigFlags
	all      bool
	operator remote.Options
}

// addClusterFlags adds kubectl's flags, and those that say how the operator's API is reached. What is not given on the command line is read
// from the environment.
func addClusterFlags(cmd *cobra.Command, f *clusterFlags) {
	f.addConfig(cmd)
	addOperatorNamespace(cmd, &f.operator.Namespace)
	for _, flag := range []struct {
		to                          *string
		name, env, otherwise, usage string
	}{
		{&f.operator.URL, "operator-url", "NUMBERFLEET_URL", "", "Where the operator's API is. If left out, the API server forwards a port of the operator's pod."},
		{&f.operator.CAFile, "operator-ca-file", "NUMBERFLEET_CA_FILE", "", "File with the certificates that the operator's API is trusted by."},
		{&f.operator.TokenFile, "operator-token-file", "NUMBERFLEET_TOKEN_FILE", "", "File with a token for the operator's API. If left out, the API server is asked for one."},
		{&f.operator.Account, "operator-account", "NUMBERFLEET_ACCOUNT", remote.DefaultAccount, "ServiceAccount that it is asked for a token of, in the operator's namespace unless it is NAMESPACE/NAME."},
	} {
		addOrEnv(cmd, flag.to, flag.name, flag.env, flag.otherwise, flag.usage)
	}
}

// addOperatorNamespace adds the flag that says where the operator is.
func addOperatorNamespace(cmd *cobra.Command, to *string) {
	addOrEnv(cmd, to, "operator-namespace", "NUMBERFLEET_NAMESPACE", remote.DefaultNamespace, "Namespace of the operator.")
}

// addOrEnv adds a flag that a variable of the environment stands for.
func addOrEnv(cmd *cobra.Command, to *string, name, env, otherwise, usage string) {
	cmd.Flags().StringVar(to, name, cmp.Or(os.Getenv(env), otherwise), usage+" $"+env+" stands for the flag.")
}

// addConfig adds kubectl's flags alone, of a command that does not ask the operator.
func (f *clusterFlags) addConfig(cmd *cobra.Command) {
	f.ConfigFlags = genericclioptions.NewConfigFlags(true)
	addConfigFlags(cmd, f.ConfigFlags)
}

// addAllNamespaces adds kubectl's flag for all namespaces.
func (f *clusterFlags) addAllNamespaces(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.all, "all-namespaces", "A", false, "Look at all namespaces.")
}

// scope is the namespace that is looked at, empty for all; and how the operator is reached.
func (f *clusterFlags) scope() (namespace string, operator *remote.Options, err error) {
	if f.operator.Config, err = restConfig(f.ConfigFlags); err != nil {
		return "", nil, err
	}
	if err := f.checkOperator(); err != nil {
		return "", nil, err
	}
	if f.all {
		return "", &f.operator, nil
	}
	namespace, _, err = f.ToRawKubeConfigLoader().Namespace()
	return namespace, &f.operator, err
}

// open is scope, with a client of the cluster for the kinds of the fleet.
func (f *clusterFlags) open() (api client.Client, namespace string, operator *remote.Options, err error) {
	if namespace, operator, err = f.scope(); err != nil {
		return nil, "", nil, err
	}
	api, err = newClient(f.ConfigFlags, v1alpha1.AddToScheme)
	return api, namespace, operator, err
}

// checkOperator says which of the flags of the operator's API is wrong. What only the operator can refuse is no error: counts are not live then.
func (f *clusterFlags) checkOperator() error {
	if f.operator.URL != "" {
		if err := remote.CheckURL(f.operator.URL); err != nil {
			return usageErrorf("--operator-url: %w", err)
		}
	}
	if _, err := readTrusted("--operator-ca-file", f.operator.CAFile); err != nil {
		return err
	}
	if f.operator.TokenFile != "" {
		if _, err := readSecret("--operator-token-file", f.operator.TokenFile); err != nil {
			return err
		}
	}
	return nil
}
