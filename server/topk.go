package server

// likeliest is the index of the largest probability, the first of equals. A NaN counts as 0.
func likeliest(probabilities []float32) int {
	best, most := 0, float32(0)
	for i, p := range probabilities {
		if p > most {
			best, most = i, p
		}
	}
	return best
}

// mostProbable returns the k largest probabilities, largest first; equal ones by index. k above the number of classes
// means all of them. A NaN, which only a broken model yields, counts as 0, so that the reply stays JSON.
func mostProbable(probabilities []float32, k int) []prediction {
	k = min(k, len(probabilities))
	top := make([]prediction, 0, k)
	for i, p := range probabilities {
		if p != p {
			p = 0
		}
		if len(top) == k && p <= top[k-1].probability {
			continue
		}
		if len(top) < k {
			top = append(top, prediction{})
		}
		j := len(top) - 1
		for j > 0 && top[j-1].probability < p {
			top[j] = top[j-1]
			j--
		}
		top[j] = prediction{index: i, probability: p}
	}
	return top
}
