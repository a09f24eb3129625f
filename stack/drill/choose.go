package main

import "slices"

// choose gives the drills of the names. Only `all` leaves out what was done before. --edge and
// --retry come on top of what a drill has of its own.
func choose(names []string, f flags) (drills []drill, resume bool, err error) {
	switch {
	case len(names) == 1 && names[0] == "all" && f.pages:
		drills, resume = withCalls(), true
	case len(names) == 1 && names[0] == "all":
		drills, resume = slices.DeleteFunc(slices.Clone(catalog), func(d drill) bool { return d.apart }), true
	case len(names) == 1 && names[0] == "smoke":
		drills = smoke()
	case len(names) == 1 && names[0] == "releases":
		drills = drillsOf("release", museum)
	case len(names) == 1 && names[0] == "outcomes":
		drills = drillsOf("outcome", outcomes)
	default:
		for _, name := range names {
			d, err := find(name)
			if err != nil {
				return nil, false, err
			}
			drills = append(drills, d)
		}
	}
	for i := range drills {
		drills[i].edge = drills[i].edge || f.edge
		drills[i].retries = max(drills[i].retries, f.retries)
	}
	return drills, resume, nil
}

// done finds what the drill gave at this commit, the same way. One that missed its aim was
// done, too; one that did not come to its end was not.
func done(past []result, d drill, f flags) *result {
	for _, r := range slices.Backward(past) {
		if r.Case == d.name && r.Commit == f.commit && r.Via == d.via() && r.Retries == d.retries && r.Rate == f.rate && r.Watched == f.pages && r.Error == "" {
			return &r
		}
	}
	return nil
}

// compared gives the newest results of two commits, case by case.
func compared(past []result, commits ...string) (rows []result) {
	for _, name := range variants(past) {
		for _, commit := range commits {
			for _, r := range newest(past, commit, []string{name}) {
				r.Case += " @" + commit
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// variants lists all cases of the history, in the catalog's order.
func variants(past []result) (names []string) {
	for _, d := range everything() {
		for _, r := range past {
			if r.Case == d.name && !slices.Contains(names, r.name()) {
				names = append(names, r.name())
			}
		}
	}
	return names
}
