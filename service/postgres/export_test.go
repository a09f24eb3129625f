package postgres

// The very queries that the store runs, for EXPLAIN.
const (
	PublicPage = publicPage
	HomePage   = homePage
	UserPage   = userPage
	Pair       = pair
)

// TowardsNewer is towardsNewer.
func TowardsNewer(query string) string { return towardsNewer(query) }
