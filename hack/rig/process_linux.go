package rig

import "syscall"

// dieWithParent kills the process when this one dies, even by kill -9.
func dieWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
