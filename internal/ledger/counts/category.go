package counts

import (
	"encoding/binary"

	"numberfleet.dev/numberfleet/internal/report"
)

// Category is what a message is paid for, as far as budgets tell messages apart.
type Category uint8

// The categories. They are stored: new ones go to the end.
const (
	NoCategory Category = iota // nobody said
	Marketing
	Utility
	Authentication
	Service
	OtherCategory // one that budgets do not name

	categories = iota
)

var categoryNames = [categories]report.CategoryName{
	Marketing: report.Marketing, Utility: report.Utility, Authentication: report.Authentication, Service: report.Service, OtherCategory: "Other",
}

// NewCategory is the category of a name; OtherCategory of one that it does not know, and NoCategory of none.
func NewCategory(name report.CategoryName) Category {
	for c, known := range categoryNames {
		if known == name {
			return Category(c)
		}
	}
	return OtherCategory
}

// Name is the category's name, empty for none.
func (c Category) Name() report.CategoryName { return categoryNames[c] }

func (c Category) valid() bool { return c < categories }

func appendCategories(row []byte, all []Category) []byte {
	row = binary.AppendUvarint(row, uint64(len(all)))
	for _, c := range all {
		row = append(row, byte(c))
	}
	return row
}

func (r *reader) categories() (all []Category) {
	for range r.Count(1) {
		all = append(all, Category(r.Byte()))
	}
	return all
}
