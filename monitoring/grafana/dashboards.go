// Package grafana is what people look at: dashboards and Grafana's settings, all of them
// files that it reads at its start. The Go code is for tests alone: it reads the
// dashboards, and knows of their format what we use of it and nothing more.
package grafana

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Dashboard is one of dashboards/*.json. In it and its parts a pointer is a field of which it
// matters whether it is there at all.
type Dashboard struct {
	UID           string `json:"uid"`
	Title         string `json:"title"`
	Description   string `json:"description"`
	SchemaVersion int    `json:"schemaVersion"`
	Editable      *bool  `json:"editable"` // true where nothing is said
	GraphTooltip  int    `json:"graphTooltip"`
	Refresh       string `json:"refresh"`
	Timezone      string `json:"timezone"`
	Time          struct {
		From string `json:"from"`
		To   string `json:"to"`
	} `json:"time"`
	Tags        []string         `json:"tags"`
	Links       []map[string]any `json:"links"`
	Annotations struct {
		List []Annotation `json:"list"`
	} `json:"annotations"`
	Templating struct {
		List []Variable `json:"list"`
	} `json:"templating"`
	Panels []Panel `json:"panels"`
}

// Annotation is a query whose answer is drawn as marks on all panels.
type Annotation struct {
	Name            string     `json:"name"`
	Enable          bool       `json:"enable"`
	IconColor       string     `json:"iconColor"`
	Datasource      Datasource `json:"datasource"`
	Expr            string     `json:"expr"`
	TitleFormat     string     `json:"titleFormat"`
	TagKeys         string     `json:"tagKeys"`
	UseValueForTime bool       `json:"useValueForTime"` // the value is when it was, in ms
}

// Variable is a choice at the dashboard's head.
type Variable struct {
	Name       string         `json:"name"`
	Label      string         `json:"label"`
	Type       string         `json:"type"`
	Query      string         `json:"query"` // of the type custom: the choices, with commas between them
	IncludeAll bool           `json:"includeAll"`
	Multi      bool           `json:"multi"`
	Current    map[string]any `json:"current"`
}

// Panel is a graph, a table, a figure; or, with the type row, a heading.
type Panel struct {
	ID          int              `json:"id"`
	Type        string           `json:"type"`
	Title       string           `json:"title"`
	Description string           `json:"description"`
	GridPos     Rectangle        `json:"gridPos"`
	Datasource  Datasource       `json:"datasource"`
	FieldConfig FieldConfig      `json:"fieldConfig"`
	Options     map[string]any   `json:"options"`
	Transform   []map[string]any `json:"transformations"`
	Targets     []Target         `json:"targets"`

	Collapsed bool    `json:"collapsed"` // of a row
	Panels    []Panel `json:"panels"`    // likewise, if it is collapsed
}

// Rectangle is a panel's place. Grafana's grid has 24 columns.
type Rectangle struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

// Datasource names one of provisioning/datasources.
type Datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// FieldConfig is how values are shown.
type FieldConfig struct {
	Defaults struct {
		Unit       string           `json:"unit"`
		Decimals   *int             `json:"decimals"`
		Min        *float64         `json:"min"`
		Max        *float64         `json:"max"`
		NoValue    string           `json:"noValue"`
		Color      map[string]any   `json:"color"`
		Custom     map[string]any   `json:"custom"` // of the panel's type
		Mappings   []map[string]any `json:"mappings"`
		Thresholds *Thresholds      `json:"thresholds"`
	} `json:"defaults"`
	Overrides []map[string]any `json:"overrides"`
}

// Thresholds give a value the colour of the last step that it has reached.
type Thresholds struct {
	Mode  string `json:"mode"`
	Steps []struct {
		Color string   `json:"color"`
		Value *float64 `json:"value"` // null: below all others
	} `json:"steps"`
}

// Target is one query of a panel. With Instant it asks for the present value alone, as a
// table does; without it for the whole time that is shown.
type Target struct {
	RefID        string `json:"refId"`
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat"`
	Format       string `json:"format"`
	Instant      bool   `json:"instant"`
}

// Load reads the dashboards below this package's folder. A field that is not in the types
// above is an error: it is misspelt, or it is what Grafana writes into an export and
// nobody wants to read in a diff. The folder is this package's, as seen from the caller. One
// without dashboards is an error, too: tests that look at nothing would pass.
func Load(folder string) ([]*Dashboard, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "dashboards", "*.json"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no dashboards in %s", folder)
	}
	all := make([]*Dashboard, len(paths))
	for i, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		decoder := json.NewDecoder(file)
		decoder.DisallowUnknownFields()
		err = decoder.Decode(&all[i])
		_ = file.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		// The rules' dashboard_url names a dashboard by its uid.
		if name := strings.TrimSuffix(filepath.Base(path), ".json"); all[i].UID != name {
			return nil, fmt.Errorf("%s: its uid is %q, and has to be its name", path, all[i].UID)
		}
	}
	return all, nil
}

// Query is what a dashboard asks Prometheus.
type Query struct {
	Name string // "service: Request rate (A)"
	Expr string // as Grafana would send it with everything chosen, for a short time
}

// Queries gives those of all panels and annotations. Panels within a collapsed row are not
// looked at: a test sees to it that there are none.
func (d *Dashboard) Queries() (all []Query) {
	for _, a := range d.Annotations.List {
		all = append(all, Query{d.UID + ": " + a.Name, d.fill(a.Expr)})
	}
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			all = append(all, Query{fmt.Sprintf("%s: %s (%s)", d.UID, p.Title, t.RefID), d.fill(t.Expr)})
		}
	}
	return all
}

// variable is Grafana's. A digit begins none: $1 is PromQL's, in label_replace.
var variable = regexp.MustCompile(`\$[a-z_]+`)

// fill puts values in the place of Grafana's variables, and leaves what it does not know.
func (d *Dashboard) fill(expr string) string {
	// $__rate_interval is never less than four scrapes.
	values := map[string]string{"$__rate_interval": "20s", "$__range": "5m"}
	for _, v := range d.Templating.List {
		values["$"+v.Name] = "(" + strings.ReplaceAll(v.Query, ",", "|") + ")"
	}
	return variable.ReplaceAllStringFunc(expr, func(name string) string { return cmp.Or(values[name], name) })
}
