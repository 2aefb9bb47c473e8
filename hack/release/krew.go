package main

import (
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/krew/pkg/constants"
	"sigs.k8s.io/krew/pkg/index"
	"sigs.k8s.io/yaml"
)

// writeKrewManifest writes what krew, the package manager of kubectl's plugins, installs the plugin by.
func (r release) writeKrewManifest(archives []pluginArchive) error {
	manifest := index.Plugin{
		TypeMeta:   metav1.TypeMeta{APIVersion: constants.CurrentAPIVersion, Kind: constants.PluginKind},
		ObjectMeta: metav1.ObjectMeta{Name: "phonenumbers"},
		Spec: index.PluginSpec{
			Version:          r.version,
			Homepage:         r.source,
			ShortDescription: "Show what WhatsApp numbers may still send, and why",
			Description: "Shows where the WhatsApp Business phone numbers of numberfleet, an operator, stand:\n" +
				"how much of their messaging limits is used, what may still be sent, why, and what happens next.\n" +
				"Simulates Meta's rules without a cluster.\n",
		},
	}
	for _, a := range archives {
		digest, err := digestOf(r.path(a.name))
		if err != nil {
			return err
		}
		manifest.Spec.Platforms = append(manifest.Spec.Platforms, index.Platform{
			URI:      r.downloads + "/" + a.name,
			Sha256:   digest,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"os": a.os, "arch": a.arch}},
			Files:    []index.FileOperation{{From: a.program, To: "."}, {From: "LICENSE", To: "."}},
			Bin:      a.program,
		})
	}
	content, err := yaml.Marshal(manifest)
	if err != nil {
		return err
	}
	return os.WriteFile(r.path(manifest.Name+constants.ManifestExtension), content, 0o644)
}
