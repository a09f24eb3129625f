package postgres

// The very queries that the store runs, for EXPLAIN.
const (
	PublicPage       = publicPage
	HomePage         = homePage
	UserPage         = userPage
	ByName           = byNameQuery
	SessionUser      = sessionUserQuery
	NextDigest       = nextDigestQuery
	AddMessage       = addMessageQuery
	AddCanaryMessage = addCanaryMessageQuery
	SetFlagged       = setFlaggedQuery
	Follow           = followQuery
	Unfollow         = unfollowQuery
	Follows          = followsQuery
	Beat             = beatQuery
	RecentWork       = activityQuery
)

// TowardsNewer is towardsNewer.
func TowardsNewer(query string) string { return towardsNewer(query) }
