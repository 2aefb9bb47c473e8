package main

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is a file or a folder.
type node struct {
	*fs.LoopbackNode
	disk *disk
}

// WrapChild makes nodes of the children of a node.
func (n *node) WrapChild(_ context.Context, child fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{LoopbackNode: child.(*fs.LoopbackNode), disk: n.disk}
}

// Open opens a file. The kernel keeps nothing of it in memory, for the power may be lost.
func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	opened, _, errno := n.LoopbackNode.Open(ctx, flags)
	if errno != 0 {
		return nil, 0, errno
	}
	return n.handle(opened, n.StableAttr().Ino, flags), fuse.FOPEN_DIRECT_IO, 0
}

// Create makes a file and opens it.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	inode, opened, _, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return inode, n.handle(opened, inode.StableAttr().Ino, flags), fuse.FOPEN_DIRECT_IO, 0
}

func (n *node) handle(opened fs.FileHandle, inode uint64, flags uint32) fs.FileHandle {
	return &handle{LoopbackFile: opened.(*fs.LoopbackFile), disk: n.disk, inode: inode, sync: flags&syscall.O_DSYNC != 0}
}

// Setattr sets attributes, one of which is the size.
func (n *node) Setattr(ctx context.Context, opened fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	size, resized := in.GetSize()
	if !resized {
		return n.LoopbackNode.Setattr(ctx, opened, in, out)
	}
	path := filepath.Join(n.RootData.Path, n.Path(n.Root()))
	if h, ok := opened.(*handle); ok {
		path = h.path() // it may have been removed
	}
	return n.disk.change(n.StableAttr().Ino, path, int64(size), endOfFile, func() syscall.Errno {
		return n.LoopbackNode.Setattr(ctx, opened, in, out)
	})
}

// handle is an open file.
type handle struct {
	*fs.LoopbackFile
	disk  *disk
	inode uint64
	sync  bool // what is written is synced: O_SYNC or O_DSYNC
}

// path leads to the file even if it was removed.
func (h *handle) path() string {
	fd, _ := h.LoopbackFile.PassthroughFd()
	return fmt.Sprintf("/proc/self/fd/%d", fd)
}

// PassthroughFd says that the kernel must not write past this program.
func (h *handle) PassthroughFd() (int, bool) { return 0, false }

// Write writes.
func (h *handle) Write(ctx context.Context, data []byte, offset int64) (written uint32, errno syscall.Errno) {
	errno = h.disk.change(h.inode, h.path(), offset, offset+int64(len(data)), func() (errno syscall.Errno) {
		written, errno = h.LoopbackFile.Write(ctx, data, offset)
		return errno
	})
	if errno == 0 && h.sync {
		h.disk.sync(h.inode)
	}
	return written, errno
}

// Fsync syncs. The machine itself keeps its power, so its own disk need not be waited for.
func (h *handle) Fsync(context.Context, uint32) syscall.Errno {
	h.disk.sync(h.inode)
	return 0
}

// Allocate is not supported: the caller writes instead.
func (h *handle) Allocate(context.Context, uint64, uint64, uint32) syscall.Errno {
	return syscall.EOPNOTSUPP
}
