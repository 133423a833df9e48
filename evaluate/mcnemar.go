package evaluate

import (
	"fmt"
	"math"
)

// fewDiscordant is below how many discordant images McNemar's test is the exact one.
const fewDiscordant = 25

// McNemar is the two-sided p-value of McNemar's test: how likely two classifiers that are equally good would differ on the same images at
// least as much as these did. onlyA counts the images that A alone got right, onlyB those that B alone did; what both got right, or
// neither, says nothing. Below 25 such images it is the exact binomial test, from there on chi-squared with Edwards' correction for
// continuity, which comes close to it (McNemar 1947, Edwards 1948). Without any, p is 1. It panics at a negative count.
func McNemar(onlyA, onlyB int) (p float64) {
	if onlyA < 0 || onlyB < 0 {
		panic(fmt.Sprintf("BUG: McNemar's test of %d and %d images", onlyA, onlyB))
	}
	n := onlyA + onlyB
	if n < fewDiscordant {
		return exactMcNemar(min(onlyA, onlyB), n)
	}
	// Where they are equal the correction would go beyond 0 to the other side.
	difference := math.Max(math.Abs(float64(onlyA)-float64(onlyB))-1, 0)
	return math.Erfc(difference / math.Sqrt(2*float64(n))) // the tail of chi-squared with one degree of freedom
}

// exactMcNemar is twice the binomial probability of at most k of n at 1/2.
func exactMcNemar(k, n int) float64 {
	ways, sum := 1.0, 0.0
	for i := range k + 1 {
		sum += ways
		ways = ways * float64(n-i) / float64(i+1)
	}
	return min(2*math.Ldexp(sum, -n), 1)
}
