package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// podCgroups are where a kubelet keeps the cgroups of pods, in version 2 and in version 1.
var podCgroups = []string{"/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/*/kubepods"}

// removeCgroups removes the cgroups of pods. They outlive the processes in them, which end some moments after the node. It is an error if there
// still are processes then: they are those of another kubelet.
func removeCgroups(ctx context.Context) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) {
		last = nil
		for _, pattern := range podCgroups {
			roots, err := filepath.Glob(pattern)
			if err != nil {
				return false, err
			}
			for _, root := range roots {
				last = errors.Join(last, removeTree(root))
			}
		}
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("the cgroups of pods are in use: %w", errors.Join(err, last))
	}
	return nil
}

// removeTree removes a cgroup and those in it, the innermost first.
func removeTree(root string) error {
	var folders []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return err
	})
	for _, folder := range slices.Backward(folders) {
		err = errors.Join(err, os.Remove(folder))
	}
	return err
}
