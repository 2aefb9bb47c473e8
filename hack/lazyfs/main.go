// Command lazyfs is a file system that forgets, at a loss of power, what was not synced:
//
//	lazyfs FOLDER MOUNT
//
// It shows the files of FOLDER at MOUNT. SIGTERM is the loss of power: every file becomes what it was when it was synced last, and the
// program ends. SIGKILL is a crash of the program alone, after which FOLDER has everything. Creating, renaming and removing are synced
// at once. A program that writes must be killed before the power is lost. For tests; Linux only, and root.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: lazyfs FOLDER MOUNT")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "lazyfs:", err)
		os.Exit(1)
	}
}

// serve serves until the power is lost.
func serve(folder, mount string) error {
	powerLoss := make(chan os.Signal, 1)
	signal.Notify(powerLoss, syscall.SIGTERM)
	data, err := fs.NewLoopbackRoot(folder)
	if err != nil {
		return err
	}
	disk := &disk{files: map[uint64]*unsynced{}}
	root := &node{LoopbackNode: data.(*fs.LoopbackNode), disk: disk}
	server, err := fs.Mount(mount, root, &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "lazyfs", MaxWrite: 1 << 20}})
	if err != nil {
		return err
	}
	<-powerLoss
	err = disk.losePower()
	_ = server.Unmount() // it may be in use: the program ends anyway
	return err
}
