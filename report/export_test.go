package report

// Page is what Write writes into index.html. Tests of the page need no PNG files,
// which take most of the time.
func Page(e Evaluation) ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	return measure(e).render()
}
