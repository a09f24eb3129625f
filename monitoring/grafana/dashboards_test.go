package grafana

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func dashboards(t *testing.T) []*Dashboard {
	t.Helper()
	all, err := Load(".")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// On-call comes from an alert; the links among the dashboards are made by the tag.
func TestEachDashboardIsOneOfASet(t *testing.T) {
	t.Parallel()
	titles := map[string]bool{}
	for _, d := range dashboards(t) {
		if titles[d.Title] {
			t.Errorf("%s: the title %q is another's, too", d.UID, d.Title)
		}
		titles[d.Title] = true
		if d.Editable == nil || *d.Editable {
			t.Errorf("%s can be edited: what is not in the repository would be lost", d.UID)
		}
		// 41 is Grafana 12.0's. A newer one migrates it, and 11 reads it as it is.
		if d.SchemaVersion != 41 {
			t.Errorf("%s has the schema %d", d.UID, d.SchemaVersion)
		}
		if !slices.Equal(d.Tags, []string{"minitwit"}) || len(d.Links) != 1 || !reflect.DeepEqual(d.Links[0]["tags"], []any{"minitwit"}) {
			t.Errorf("%s has tags %v and links %v", d.UID, d.Tags, d.Links)
		}
		if d.Description == "" || d.Time.From == "" || d.Time.To != "now" || d.Refresh == "" || d.Timezone != "browser" {
			t.Errorf("%s does not say what it shows, of which time, how often anew", d.UID)
		}
		if first := dashboards(t)[0]; !reflect.DeepEqual(d.Annotations, first.Annotations) {
			t.Errorf("%s marks other events than %s", d.UID, first.UID)
		}
	}
}

// No hole is asked for: a row of panels may be lower than its neighbour.
func TestPanelsLieSideBySide(t *testing.T) {
	t.Parallel()
	for _, d := range dashboards(t) {
		for i, p := range d.Panels {
			g := p.GridPos
			if g.X < 0 || g.Y < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
				t.Errorf("%s: %s lies outside of the grid: %+v", d.UID, p.Title, g)
			}
			for _, other := range d.Panels[:i] {
				o := other.GridPos
				if g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H {
					t.Errorf("%s: %s lies on %s", d.UID, p.Title, other.Title)
				}
			}
		}
	}
}

// Grafana gives a panel without an id one of its own at each start, and links to a panel
// go by it; some versions leave such panels out (grafana/grafana#117084).
func TestPanelsCanBeToldApart(t *testing.T) {
	t.Parallel()
	for _, d := range dashboards(t) {
		ids, titles := map[int]bool{}, map[string]bool{}
		for _, p := range d.Panels {
			if p.ID < 1 || ids[p.ID] || p.Title == "" || titles[p.Title] {
				t.Errorf("%s: %q has the id %d: one of the two is missing, or another's", d.UID, p.Title, p.ID)
			}
			ids[p.ID], titles[p.Title] = true, true
		}
	}
}

// shown are the types of panels, and whether their colours come from thresholds or
// mappings, so that there have to be some.
var shown = map[string]bool{
	"stat": true, "gauge": true, "state-timeline": true,
	"timeseries": false, "table": false, "bargauge": false, "heatmap": false,
}

func TestPanelsSayWhatTheyShow(t *testing.T) {
	t.Parallel()
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			if p.Type == "row" {
				if p.Collapsed || len(p.Panels) > 0 || len(p.Targets) > 0 || p.GridPos.W != 24 || p.GridPos.H != 1 {
					t.Errorf("%s: the row %s is more than a heading", d.UID, p.Title)
				}
				continue
			}
			for _, complaint := range p.complaints() {
				t.Errorf("%s: %s %s", d.UID, p.Title, complaint)
			}
		}
	}
}

func (p *Panel) complaints() (found []string) {
	defaults := p.FieldConfig.Defaults
	coloured, known := shown[p.Type]
	for _, c := range []struct {
		wrong bool
		text  string
	}{
		{!known, "has the type " + p.Type},
		{len(p.Description) < 10 || len(p.Description) > 160 || !strings.HasSuffix(p.Description, "."), "is not described in a line"},
		{defaults.Unit == "", "has no unit"},
		{p.FieldConfig.Overrides == nil, "has no list of overrides"},
		{coloured && defaults.Thresholds == nil && defaults.Mappings == nil, "says nothing by its colour"},
		{len(p.Targets) == 0, "asks for nothing"},
	} {
		if c.wrong {
			found = append(found, c.text)
		}
	}
	return append(append(found, defaults.Thresholds.complaints()...), p.wrongTargets()...)
}

func (s *Thresholds) complaints() (found []string) {
	if s == nil {
		return nil
	}
	if s.Mode != "absolute" || len(s.Steps) == 0 || s.Steps[0].Value != nil {
		return []string{"has thresholds without a beginning"}
	}
	for i, step := range s.Steps[1:] {
		if step.Value == nil || i > 0 && *step.Value <= *s.Steps[i].Value {
			found = append(found, "has thresholds that do not rise")
		}
	}
	return found
}

func (p *Panel) wrongTargets() (found []string) {
	ids := map[string]bool{}
	for _, target := range p.Targets {
		if ids[target.RefID] || !regexp.MustCompile(`^[A-Z]$`).MatchString(target.RefID) {
			found = append(found, "has two queries "+target.RefID)
		}
		ids[target.RefID] = true
		switch p.Type {
		case "table":
			if target.Format != "table" || !target.Instant {
				found = append(found, "needs a table of now from "+target.RefID)
			}
		default:
			if target.LegendFormat == "" {
				found = append(found, "has no legend for "+target.RefID)
			}
		}
	}
	return found
}

// $1 is PromQL's, in label_replace.
func TestQueriesUseVariablesThatThereAre(t *testing.T) {
	t.Parallel()
	left := regexp.MustCompile(`\$[a-zA-Z_{]\w*`)
	for _, d := range dashboards(t) {
		for _, q := range d.Queries() {
			if found := left.FindString(q.Expr); found != "" {
				t.Errorf("%s: nothing defines %s", q.Name, found)
			}
		}
		for _, v := range d.Templating.List {
			used := slices.ContainsFunc(d.Panels, func(p Panel) bool {
				return slices.ContainsFunc(p.Targets, func(t Target) bool { return strings.Contains(t.Expr, "$"+v.Name) })
			})
			if v.Type != "custom" || !v.IncludeAll || !used {
				t.Errorf("%s: the variable %s is of the type %s, has no All, or nobody uses it", d.UID, v.Name, v.Type)
			}
		}
	}
}

func TestEachAlertLeadsToADashboard(t *testing.T) {
	t.Parallel()
	uids := map[string]bool{}
	for _, d := range dashboards(t) {
		uids[d.UID] = true
	}
	paths, err := filepath.Glob("../prometheus/rules/*.yml")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	url := regexp.MustCompile(`dashboard_url: '\{\{ \$externalLabels\.dashboards \}\}/d/([^']+)'`)
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := url.FindAllSubmatch(content, -1)
		if alerts := strings.Count(string(content), "- alert:"); len(found) != alerts {
			t.Errorf("%s has %d alerts and %d addresses of dashboards", path, alerts, len(found))
		}
		for _, f := range found {
			if !uids[string(f[1])] {
				t.Errorf("%s leads to /d/%s, and there is no such dashboard", path, f[1])
			}
		}
	}
}
