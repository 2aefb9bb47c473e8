package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
)

// ModuleFile is the path of a file in a Go module, of the version that the go.mod in a folder requires. The module is downloaded if it is not here.
func ModuleFile(ctx context.Context, folder, module, file string) (string, error) {
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", module) // #nosec G204 -- tests name it
	command.Dir = folder
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("download %s: %w: %s", module, err, out)
	}
	var downloaded struct{ Dir string }
	if err := json.Unmarshal(out, &downloaded); err != nil {
		return "", err
	}
	return filepath.Join(downloaded.Dir, file), nil
}
