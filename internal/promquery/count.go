package promquery

import (
	"errors"
	"math"

	"github.com/prometheus/common/model"
)

// Rounding says which way a value that is no whole number is rounded.
type Rounding int

// The ways.
const (
	Up Rounding = iota
	Down
)

// mostCount is the highest count that is taken: beyond it a float does not hold every whole number.
const mostCount = 1 << 53

// Count is the count that a sample holds. Extrapolation makes fractions of counts, so it is rounded. The error says what the
// value is, in words that stay the same.
func Count(sample *model.Sample, to Rounding) (int64, error) {
	value := float64(sample.Value)
	switch {
	case sample.Histogram != nil:
		return 0, errors.New("a histogram is no count")
	case math.IsNaN(value):
		return 0, errors.New("NaN is no count")
	case value < 0:
		return 0, errors.New("a count cannot be negative")
	case value > mostCount:
		return 0, errors.New("the value is too large for a count")
	case to == Up:
		return int64(math.Ceil(value)), nil
	default:
		return int64(math.Floor(value)), nil
	}
}
