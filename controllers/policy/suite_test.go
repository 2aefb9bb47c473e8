package policy

import (
	"os"
	"testing"

	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
)

func TestMain(m *testing.M) { os.Exit(controllertest.Main(m)) }
