package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"time"
)

// made is the time of every file in an archive: the first that a zip can say.
var made = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// file is a file in an archive. All are root's.
type file struct {
	name    string // with the folders above it
	mode    fs.FileMode
	content []byte
}

// readFile makes a file of an archive of one on disk.
func readFile(path, name string, mode fs.FileMode) (file, error) {
	content, err := os.ReadFile(path)
	return file{name: name, mode: mode, content: content}, err
}

// writeArchive writes a file, of which write writes the content.
func writeArchive(path string, files []file, write func(io.Writer, []file) error) error {
	archive, err := os.Create(path)
	if err != nil {
		return err
	}
	defer archive.Close()
	if err := write(archive, files); err != nil {
		return err
	}
	return archive.Close()
}

func writeTarball(w io.Writer, files []file) error {
	packed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(packed)
	for _, f := range files {
		if err := archive.WriteHeader(&tar.Header{Name: f.name, Mode: int64(f.mode), Size: int64(len(f.content)), ModTime: made}); err != nil {
			return err
		}
		if _, err := archive.Write(f.content); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return packed.Close()
}

func writeZip(w io.Writer, files []file) error {
	archive := zip.NewWriter(w)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: made}
		header.SetMode(f.mode)
		entry, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := entry.Write(f.content); err != nil {
			return err
		}
	}
	return archive.Close()
}
