package doctor

import (
	"context"
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// source is where a file of the operator comes from: a key of a Secret or of a ConfigMap.
type source struct {
	secret, configMap string // the name of the object: one of the two
	key               string
}

// volumeOf is the volume that a file or folder of the operator is on, and its path there; nil where it is the container's own.
func (o *operator) volumeOf(file string) (volume *corev1.VolumeSource, rest string) {
	var mount *corev1.VolumeMount
	for i := range o.container.VolumeMounts {
		m := &o.container.VolumeMounts[i]
		if below(file, m.MountPath) && (mount == nil || len(m.MountPath) > len(mount.MountPath)) {
			mount = m
		}
	}
	if mount == nil {
		return nil, ""
	}
	for i := range o.deployment.Spec.Template.Spec.Volumes {
		if v := &o.deployment.Spec.Template.Spec.Volumes[i]; v.Name == mount.Name {
			inMount := strings.TrimPrefix(strings.TrimPrefix(path.Clean(file), path.Clean(mount.MountPath)), "/")
			return &v.VolumeSource, path.Join(mount.SubPath, inMount)
		}
	}
	return nil, ""
}

// sourceOf is where the file of a path comes from, empty where it is on a volume of another kind. Mounted says whether it is on a volume at all.
func (o *operator) sourceOf(file string) (from source, mounted bool) {
	volume, rest := o.volumeOf(file)
	if volume == nil {
		return source{}, false
	}
	return inVolume(volume, rest), true
}

// below says whether a file is a path, or in the folder of that path.
func below(file, folder string) bool {
	file, folder = path.Clean(file), path.Clean(folder)
	return file == folder || strings.HasPrefix(file, strings.TrimSuffix(folder, "/")+"/")
}

// inVolume is where a file of a volume comes from; empty where it is not known.
func inVolume(v *corev1.VolumeSource, file string) source {
	switch {
	case v.Secret != nil:
		return source{secret: v.Secret.SecretName, key: keyOf(v.Secret.Items, file)}
	case v.ConfigMap != nil:
		return source{configMap: v.ConfigMap.Name, key: keyOf(v.ConfigMap.Items, file)}
	case v.Projected == nil:
		return source{}
	}
	var first source
	for i := range v.Projected.Sources {
		p := &v.Projected.Sources[i]
		switch {
		case p.Secret != nil && listed(p.Secret.Items, file):
			return source{secret: p.Secret.Name, key: keyOf(p.Secret.Items, file)}
		case p.ConfigMap != nil && listed(p.ConfigMap.Items, file):
			return source{configMap: p.ConfigMap.Name, key: keyOf(p.ConfigMap.Items, file)}
		case p.Secret != nil && len(p.Secret.Items) == 0 && first == (source{}):
			first = source{secret: p.Secret.Name, key: file}
		case p.ConfigMap != nil && len(p.ConfigMap.Items) == 0 && first == (source{}):
			first = source{configMap: p.ConfigMap.Name, key: file}
		}
	}
	return first
}

func listed(items []corev1.KeyToPath, file string) bool {
	for _, item := range items {
		if path.Clean(item.Path) == file {
			return true
		}
	}
	return false
}

// keyOf is the key that a file of a volume has the value of.
func keyOf(items []corev1.KeyToPath, file string) string {
	for _, item := range items {
		if path.Clean(item.Path) == file {
			return item.Key
		}
	}
	return file
}

// readSecret is a Secret of the operator, nil where there is none.
func (e *examination) readSecret(ctx context.Context, name string) (*corev1.Secret, error) {
	var stored corev1.Secret
	err := e.API.Get(ctx, client.ObjectKey{Namespace: e.OperatorNamespace, Name: name}, &stored)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &stored, nil
}

// putSecret is the command that puts a file into a key of a Secret, which may be there without that key.
func (e *examination) putSecret(from source, exists bool) string {
	if !exists {
		return fmt.Sprintf("kubectl -n %s create secret generic %s --from-file=%s=FILE", e.OperatorNamespace, from.secret, from.key)
	}
	return fmt.Sprintf(`kubectl -n %s patch secret %s --type=merge -p "{\"data\":{\"%s\":\"$(base64 -w0 <FILE)\"}}"`, e.OperatorNamespace, from.secret, from.key)
}
