// Command s3 is versitygw, an S3 server, with one account and objects in folders, and without its other backends.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"path/filepath"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	var config embedgw.Config
	address := flag.String("address", "127.0.0.1:9000", "Address to listen on.")
	folder := flag.String("folder", ".", "Folder of the data. The folders in its folder buckets are the buckets.")
	flag.StringVar(&config.RootUserAccess, "access-key-id", "", "ID of the account's access key.")
	flag.StringVar(&config.RootUserSecret, "secret-access-key", "", "The account's secret access key.")
	flag.StringVar(&config.CertFile, "certificate", "", "File with the certificate for TLS; empty for none.")
	flag.StringVar(&config.KeyFile, "key", "", "File with the key of the certificate.")
	flag.Parse()
	config.Ports, config.Quiet, config.KeepAlive = []string{*address}, true, true
	config.MaxConnections, config.MaxRequests, config.MultipartMaxParts = 1000, 1000, 10000
	if err := serve(*folder, &config); err != nil {
		log.Fatal(err)
	}
}

func serve(folder string, config *embedgw.Config) error {
	buckets, beside := filepath.Join(folder, "buckets"), filepath.Join(folder, "metadata")
	for _, name := range []string{buckets, beside} {
		if err := os.MkdirAll(name, 0o700); err != nil {
			return err
		}
	}
	metadata, err := meta.NewSideCar(beside)
	if err != nil {
		return err
	}
	objects, err := posix.New(buckets, metadata, posix.PosixOpts{SideCarDir: beside})
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(context.Background(), objects, config)
}
