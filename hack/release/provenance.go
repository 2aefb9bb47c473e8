package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	// provenance is the file with the statement.
	provenance = "provenance.json"

	// predicateType is SLSA's: https://slsa.dev/spec/v1.2/build-provenance.
	predicateType = "https://slsa.dev/provenance/v1"

	// buildType says what the parameters mean.
	buildType = "https://numberfleet.dev/numberfleet/docs/versions.md#provenance"
)

// writeProvenance writes an in-toto statement that says from which commit the files of the release, and the image, were made, by whom, and with
// what parameters.
func (r release) writeProvenance() error {
	subjects, err := r.subjects()
	if err != nil {
		return err
	}
	parameters, err := structpb.NewStruct(map[string]any{"version": r.version, "downloads": r.downloads, "repository": r.repository})
	if err != nil {
		return err
	}
	made := &v1.Provenance{
		BuildDefinition: &v1.BuildDefinition{
			BuildType:          buildType,
			ExternalParameters: parameters,
			ResolvedDependencies: []*intoto.ResourceDescriptor{
				{Uri: "git+" + r.source + "@" + r.commit, Digest: map[string]string{"gitCommit": r.commit}},
			},
		},
		RunDetails: &v1.RunDetails{Builder: &v1.Builder{Id: r.builder, Version: map[string]string{"go": runtime.Version()}}},
	}
	if err := made.Validate(); err != nil {
		return err
	}
	encoded, err := protojson.Marshal(made)
	if err != nil {
		return err
	}
	predicate := &structpb.Struct{}
	if err := protojson.Unmarshal(encoded, predicate); err != nil {
		return err
	}
	statement := &intoto.Statement{Type: intoto.StatementTypeUri, Subject: subjects, PredicateType: predicateType, Predicate: predicate}
	if err := statement.Validate(); err != nil {
		return err
	}
	return writeJSON(r.path(provenance), statement)
}

// subjects are all files of the release, and the image by the digest that it has in registries.
func (r release) subjects() ([]*intoto.ResourceDescriptor, error) {
	files, err := os.ReadDir(r.output)
	if err != nil {
		return nil, err
	}
	var subjects []*intoto.ResourceDescriptor
	for _, f := range files {
		if f.Name() == provenance || f.Name() == checksums {
			continue
		}
		digest, err := digestOf(r.path(f.Name()))
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, &intoto.ResourceDescriptor{Name: f.Name(), Digest: map[string]string{"sha256": digest}})
	}
	images, err := filepath.Glob(r.path("*.oci.tar"))
	if err != nil {
		return nil, err
	}
	for _, archive := range images {
		image, err := imageOf(archive)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", archive, err)
		}
		subjects = append(subjects, image)
	}
	return subjects, nil
}

// imageOf reads the name and the digest of the image in an OCI archive.
func imageOf(path string) (*intoto.ResourceDescriptor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	archive := tar.NewReader(f)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("it has no %s", ocispec.ImageIndexFile)
		}
		if err != nil {
			return nil, err
		}
		if header.Name != ocispec.ImageIndexFile {
			continue
		}
		var index ocispec.Index
		if err := json.NewDecoder(archive).Decode(&index); err != nil {
			return nil, err
		}
		if len(index.Manifests) != 1 {
			return nil, fmt.Errorf("it has %d images, not one", len(index.Manifests))
		}
		image := index.Manifests[0]
		return &intoto.ResourceDescriptor{
			Name:   image.Annotations["io.containerd.image.name"],
			Digest: map[string]string{image.Digest.Algorithm().String(): image.Digest.Encoded()},
		}, nil
	}
}

// writeJSON writes a message: the same bytes each time, which protojson does not promise.
func writeJSON(path string, message proto.Message) error {
	encoded, err := protojson.Marshal(message)
	if err != nil {
		return err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, encoded, "", "  "); err != nil {
		return err
	}
	indented.WriteByte('\n')
	return os.WriteFile(path, indented.Bytes(), 0o644)
}
