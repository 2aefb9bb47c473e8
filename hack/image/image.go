package main

import (
	"debug/elf"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is the one that distroless images call nonroot.
const user = "65532:65532"

// made is when every image was made: a clock would make other bytes each time.
var made = time.Unix(0, 0).UTC()

// image is what the images of all platforms have in common.
type image struct {
	name   string
	labels map[string]string
}

// build makes the index of an archive. It has one entry, which has the name: the index of the images of all platforms. Programs are files by
// platform.
func (i image) build(programs map[string]string) (v1.ImageIndex, error) {
	named, err := reference.ParseDockerRef(i.name)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", i.name, err)
	}
	tagged, ok := named.(reference.Tagged)
	if !ok {
		return nil, fmt.Errorf("%q has no tag", i.name)
	}
	certificates, err := layerOf(file{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, content: authorities()})
	if err != nil {
		return nil, err
	}
	platforms := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		platform, err := v1.ParsePlatform(name)
		if err != nil {
			return nil, err
		}
		one, err := i.ofPlatform(*platform, programs[name], certificates)
		if err != nil {
			return nil, fmt.Errorf("%s for %s: %w", programs[name], name, err)
		}
		platforms = mutate.AppendManifests(platforms, mutate.IndexAddendum{Add: one, Descriptor: v1.Descriptor{Platform: platform}})
	}
	return mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: platforms, Descriptor: v1.Descriptor{Annotations: map[string]string{
		"org.opencontainers.image.ref.name": tagged.Tag(),
		"io.containerd.image.name":          named.String(),
	}}}), nil
}

// ofPlatform makes the image of one platform.
func (i image) ofPlatform(platform v1.Platform, program string, certificates v1.Layer) (v1.Image, error) {
	if err := runsWithoutBase(platform, program); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(program)
	layer, err := layerOf(file{name: name, mode: 0o755, content: content})
	if err != nil {
		return nil, err
	}
	made := v1.Time{Time: made}
	one, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON),
		mutate.Addendum{Layer: certificates, History: v1.History{Created: made, CreatedBy: "certificates"}},
		mutate.Addendum{Layer: layer, History: v1.History{Created: made, CreatedBy: name}})
	if err != nil {
		return nil, err
	}
	config, err := one.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Created, config.OS, config.Architecture, config.Variant = made, platform.OS, platform.Architecture, platform.Variant
	config.Config = v1.Config{User: user, Entrypoint: []string{"/" + name}, WorkingDir: "/", Labels: i.labels}
	return mutate.ConfigFile(one, config)
}

// machines are the architectures of programs, by Go's names.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "s390x": elf.EM_S390, "ppc64le": elf.EM_PPC64}

// runsWithoutBase is an error if a program is another platform's, or needs a loader and libraries, which an image without a base does not have.
func runsWithoutBase(platform v1.Platform, program string) error {
	binary, err := elf.Open(program)
	if err != nil {
		return err
	}
	defer func() { _ = binary.Close() }()
	if binary.Machine != machines[platform.Architecture] {
		return fmt.Errorf("it is a program for %s", strings.TrimPrefix(binary.Machine.String(), "EM_"))
	}
	for _, segment := range binary.Progs {
		if segment.Type == elf.PT_INTERP {
			return errors.New("it is not static: build it with CGO_ENABLED=0")
		}
	}
	return nil
}

// authorities are the certificates that Mozilla trusts, in PEM. One whose trust has conditions is left out: PEM cannot say them.
func authorities() []byte {
	var all []byte
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			all = append(all, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})...)
		}
	}
	return all
}
