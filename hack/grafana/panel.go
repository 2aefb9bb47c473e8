package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// newDashboard is a dashboard that the user chooses the Prometheus of.
func newDashboard(uid, title, description string) *dashboard.DashboardBuilder {
	return dashboard.NewDashboardBuilder(title).Uid(uid).Description(description).Tags([]string{"numberfleet"}).Readonly().
		Refresh("1m").Time("now-24h", "now").Timezone("browser").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("numberfleet").Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{"numberfleet"}).KeepTime(true)).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type("prometheus"))
}

var source = common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}

// variable is one whose values are those of a label.
func variable(name, label, query string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(source).Query(dashboard.StringOrMap{String: &query}).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc)
}

// query is an expression with the name of its series.
type query struct{ legend, expr string }

// builder builds a panel of some kind.
type builder[B any] interface {
	cog.Builder[dashboard.Panel]
	Title(title string) B
	Description(description string) B
	Datasource(source common.DataSourceRef) B
	Unit(unit string) B
	Height(height uint32) B
	Span(width uint32) B
	WithTarget(target cog.Builder[variants.Dataquery]) B
}

// panel describes a panel: what it shows, how wide it is of 24, and in which unit.
type panel struct {
	title, description string
	width              uint32
	unit               string
}

// Heights of panels.
const (
	low  = 4
	high = 8
)

func describe[B builder[B]](b B, p panel, height uint32, ask func(*prometheus.DataqueryBuilder) *prometheus.DataqueryBuilder, queries []query) B {
	b = b.Title(p.title).Description(p.description).Datasource(source).Unit(p.unit).Height(height).Span(p.width)
	for i, q := range queries {
		b = b.WithTarget(ask(prometheus.NewDataqueryBuilder().RefId(string(rune('A' + i))).Expr(q.expr).LegendFormat(q.legend)))
	}
	return b
}

func overTime(q *prometheus.DataqueryBuilder) *prometheus.DataqueryBuilder { return q.Range() }
func now(q *prometheus.DataqueryBuilder) *prometheus.DataqueryBuilder      { return q.Instant() }

// graph shows queries over time.
func graph(p panel, queries ...query) *timeseries.PanelBuilder {
	return describe(timeseries.NewPanelBuilder(), p, high, overTime, queries).Min(0).FillOpacity(10).ShowPoints(common.VisibilityModeNever).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
}

// shares shows how queries add up to a whole over time.
func shares(p panel, queries ...query) *timeseries.PanelBuilder {
	return graph(p, queries...).FillOpacity(50).Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal))
}

// figure shows the present value of a query.
func figure(p panel, expr string) *stat.PanelBuilder {
	return describe(stat.NewPanelBuilder(), p, low, now, []query{{expr: expr}}).GraphMode(common.BigValueGraphModeNone)
}

// word shows a label of a query's only series.
func word(p panel, label, expr string) *stat.PanelBuilder {
	return describe(stat.NewPanelBuilder(), p, low, now, []query{{"{{" + label + "}}", expr}}).TextMode(common.BigValueTextModeName).
		GraphMode(common.BigValueGraphModeNone).ColorMode(common.BigValueColorModeNone)
}

// bars shows the present values of several series beside each other.
func bars(p panel, q query) *bargauge.PanelBuilder {
	return describe(bargauge.NewPanelBuilder(), p, high, now, []query{q}).Orientation(common.VizOrientationHorizontal).
		DisplayMode(common.BarGaugeDisplayModeBasic).Min(0).Max(1).Thresholds(ofLimit())
}

// words shows which values labels had over time.
func words(p panel, queries ...query) *statetimeline.PanelBuilder {
	return describe(statetimeline.NewPanelBuilder(), p, high, overTime, queries).ShowValue(common.VisibilityModeNever).
		Mappings([]dashboard.ValueMapping{}).Legend(common.NewVizLegendOptionsBuilder().ShowLegend(false).DisplayMode(common.LegendDisplayModeHidden))
}

// list shows the labels of the series of a query, in some order.
func list(p panel, expr string, columns ...string) *table.PanelBuilder {
	order := map[string]int{}
	for i, column := range columns {
		order[column] = i
	}
	ask := func(q *prometheus.DataqueryBuilder) *prometheus.DataqueryBuilder {
		return now(q).Format(prometheus.PromQueryFormatTable)
	}
	return describe(table.NewPanelBuilder(), p, high, ask, []query{{expr: expr}}).WithTransformation(dashboard.DataTransformerConfig{
		Id: "organize", Options: map[string]any{"excludeByName": map[string]bool{"Time": true, "Value": true}, "indexByName": order},
	})
}

// ofLimit are the bounds of the alerts on a limit.
func ofLimit() *dashboard.ThresholdsConfigBuilder {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps([]dashboard.Threshold{
		{Color: "green"}, {Value: cog.ToPtr(0.8), Color: "yellow"}, {Value: cog.ToPtr(0.95), Color: "orange"}, {Value: cog.ToPtr(1.0), Color: "red"},
	})
}
