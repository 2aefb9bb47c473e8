package main

import (
	"errors"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// restConfig is how the cluster is reached that the flags name. Where no kubeconfig, flag or pod says which, kubectl's flags mean port 8080 of
// this machine, where no API server has been for years.
func restConfig(flags *genericclioptions.ConfigFlags) (*rest.Config, error) {
	config, err := flags.ToRESTConfig()
	switch {
	case err != nil && (*flags.KubeConfig != "" || *flags.Context != ""): // it names the file, or the context
		return nil, usageError{err}
	case err != nil:
		return nil, err
	}
	kubeconfig, err := flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, err
	}
	if clientcmdapi.IsConfigEmpty(&kubeconfig) && *flags.APIServer == "" && config.Host == clientcmd.ClusterDefaults.Server {
		return nil, errors.New("no kubeconfig says which cluster is meant: name one with --kubeconfig or $KUBECONFIG")
	}
	return config, nil
}

// newClient is a client of the cluster that the flags name, for the kinds of one API group.
func newClient(flags *genericclioptions.ConfigFlags, addToScheme func(*runtime.Scheme) error) (client.Client, error) {
	config, err := restConfig(flags)
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err := addToScheme(scheme); err != nil {
		return nil, err
	}
	return client.New(config, client.Options{Scheme: scheme})
}
