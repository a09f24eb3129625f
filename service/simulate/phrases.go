package simulate

// The lists are functions, not variables, so that nobody can change them. Whoever edits one
// has to make testdata/scenario.tsv.gz anew: a test compares.

func firstNames() []string {
	return []string{
		"Ada", "Bruno", "Carmen", "Dario", "Edda", "Falk", "Greta", "Hugo", "Ines", "Jonas", "Klara", "Lars",
		"Mona", "Nils", "Olga", "Pavel", "Quinn", "Rosa", "Sven", "Tilda", "Ugo", "Vera", "Wim", "Xenia", "Yara",
		"Zeno", "Alma", "Birk", "Cleo", "Dagny", "Emil", "Freja", "Gorm", "Hedda", "Ivar", "Jette", "Knud",
		"Livia", "Mads", "Nora",
	}
}

func lastNames() []string {
	return []string{
		"Abelund", "Brackwater", "Cordesen", "Dunmore", "Eggers", "Fairbank", "Gravholt", "Hartung", "Inwood",
		"Jespersen", "Kettle", "Lindqvist", "Marlow", "Nyborg", "Ostrander", "Pilgaard", "Quist", "Ravnsborg",
		"Stoltz", "Tanager", "Ulriksen", "Vandermeer", "Westerby", "Yardley", "Zimmer", "Ashgrove", "Bellamy",
		"Castellan", "Dragsholm", "Elverum", "Foxglove", "Gladwin", "Hollis", "Iversen", "Juniper", "Kjeldsen",
		"Lockhart", "Mistral", "Northam", "Oakley",
	}
}

// A sentence is an opening, if any, a subject, a verb, an object, and often a
// place; they fit in any combination, more or less.
func openings() []string {
	return []string{
		"This morning", "Before the rain came", "Against all advice", "For the third time", "Without a word",
		"Just after lunch", "As promised,", "By sheer luck", "On the second try", "Late at night", "In the end",
		"To nobody’s surprise", "While the coffee cooled",
	}
}

func subjects() []string {
	return []string{
		"my neighbour", "the night watch", "our build server", "the old ferryman", "a very small dog", "the baker",
		"someone from accounts", "the harbour master", "our youngest tester", "the lighthouse", "a tired student",
		"the tram driver", "half of the choir", "my grandmother’s clock", "the weather station", "a lost postcard",
		"the new release", "the committee", "every pigeon in town", "the woman with the red umbrella",
	}
}

func verbs() []string {
	return []string{
		"has found", "painted", "forgot", "carried", "is looking for", "would not give up", "counted", "repaired",
		"sold", "has hidden", "keeps asking about", "rolled back", "nearly dropped", "wrote a song about",
		"took home", "photographed", "cannot explain", "borrowed", "measured", "swapped",
	}
}

func objects() []string {
	return []string{
		"the spare keys", "a crate of pears", "the wrong map", "three umbrellas", "the last green bicycle",
		"a jar of buttons", "the whole cake", "an unsigned letter", "the blue kettle", "seven chairs",
		"the broken printer", "a bag of cement", "the queue", "a borrowed violin", "the index", "somebody’s hat",
		"a box of cables", "the emergency stop", "two loaves of rye bread", "the backup",
	}
}

func places() []string {
	return []string{
		"behind the library", "on the way to work", "at the edge of the pier", "under the stairs", "in broad daylight",
		"on platform nine", "near the old mill", "at the allotments", "between two meetings", "in the cellar",
		"on the roof", "beside the canal", "during the fire drill", "in the staging cluster", "at low tide",
		"next to the vending machine",
	}
}

func speakers() []string {
	return []string{"said Edda", "cried the baker", "muttered Hugo", "wrote the harbour master", "laughed Vera"}
}

// foreign holds other scripts, directions and a combining accent.
func foreign() []string {
	return []string{
		"Rødgrød med fløde på Ærø — så er det sommer.", "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich…",
		"¿Dónde está mi paraguas? ¡En el tranvía!", "L’été dernier, où étiez-vous ? À l’île d’Oléron.",
		"今日は港で古い自転車を見つけました。", "Всё хорошо, что хорошо кончается.", "שלום מהנמל, הגשם נפסק.",
		"Žluťoučký kůň a pět psů.", "e\u0301 is not é, yet looks it.",
	}
}

// emoji has some of several code points, joined or with a skin tone.
func emoji() []string {
	return []string{"🙂", "🎉🎉", "👩‍👩‍👧‍👦", "🇩🇰", "☔️", "🐕‍🦺", "👍🏽"}
}

// traps is what HTML, SQL, templates and URLs must each leave alone.
func traps() []string {
	return []string{
		"<b>bold?</b>", "&amp; so on:", "Robert'); --", "100% \\o/", `He said "no".`, "{{ .Secret }}", "$1 :name ?",
		"https://minitwit.example/?a=1&b=2#c", "@Nobody #hashtag",
	}
}
