package notification

import (
	"os"
	"testing"

	"numberfleet.dev/numberfleet/controllers/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }
