package config

import (
	"fmt"
	"reflect"
)

// Setting describes one environment variable. Default is "" where there is none.
type Setting struct {
	Name, Default, Doc string
	Secret             bool
}

// Settings lists all variables in the order of Config.
func Settings() []Setting {
	t := reflect.TypeFor[Config]()
	all := make([]Setting, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		all = append(all, Setting{
			Name: tag.Get("env"), Default: tag.Get("envDefault"), Doc: tag.Get("doc"),
			Secret: tag.Get("secret") == "true",
		})
	}
	return all
}

// Names lists the names of all variables.
func Names() []string {
	var names []string
	for _, s := range Settings() {
		names = append(names, s.Name)
	}
	return names
}

// Masked gives the settings for a log: name to value, where a secret shows
// only whether it is set.
func (c Config) Masked() map[string]string {
	shown := make(map[string]string)
	v := reflect.ValueOf(c)
	// Settings come in the order of the fields.
	for i, s := range Settings() {
		shown[s.Name] = fmt.Sprint(v.Field(i).Interface())
		if s.Secret && shown[s.Name] != "" {
			shown[s.Name] = "(set)"
		}
	}
	return shown
}
