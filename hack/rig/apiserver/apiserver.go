// Package apiserver starts what tests run on: a real API server with the operator's kinds.
package apiserver

import (
	"path/filepath"
	"runtime"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"numberfleet.dev/numberfleet/hack/rig"
)

// Start starts an API server with the operator's kinds in an environment, which the caller stops. It returns how to connect as an administrator.
func Start(env *envtest.Environment) (*rest.Config, error) {
	_, file, _, _ := runtime.Caller(0)
	env.CRDDirectoryPaths, env.ErrorIfCRDPathMissing = []string{filepath.Join(filepath.Dir(file), "..", "..", "..", "config", "crd", "bases")}, true
	// By default these are 10 and 20 s, which is too short for a slow machine.
	env.ControlPlaneStartTimeout, env.ControlPlaneStopTimeout, env.CRDInstallOptions.MaxTime = rig.Patience, rig.Patience, rig.Patience
	return env.Start()
}
