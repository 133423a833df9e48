// Package drift has the mathematics of comparing a window of served traffic with a reference: the images that a model was validated
// on. It knows nothing of images, windows or alarms; it is handed numbers.
//
// # What is tested
//
// Labels come late or never, so drift is looked for in what a model is given and what it answers. [KS] compares one number: a
// class's probability, class by class. Rabanser et al. 2019, "Failing Loudly", found such univariate tests on a trained
// classifier's outputs (black-box shift detection) to be the best of what they compared, and they name the class that moved.
// [MMD] and [Classifier] compare whole embeddings, and see what no single coordinate shows: MMD is the better where many
// coordinates move a little, a classifier where a direction moves, and its AUC can be read. [ChiSquare] compares the mix of
// predicted classes. [PSI] and [JensenShannon] say how far apart two histograms are, of brightness for example; they measure a
// size, and [PSIPValue] adds how surprising it is. A [Mahalanobis] distance needs no window: it is a single image's.
//
// # What is assumed
//
// All p-values assume independent rows. Ten frames of a film, or one user's hundred photos of one cat, are not: a window of them
// is smaller than it looks, and p too small. No test here can know that; whoever cuts windows samples over time and users, and
// asks for several windows in a row.
//
// KS assumes a continuous distribution. With ties, as of probabilities rounded to 0 and 1, its p is an upper bound. ChiSquare and
// PSIPValue are approximations for bins of five values and more; ChiSquare merges smaller classes, PSI is to be given bins of
// [Edges]. MMD's p is a share of permutations and needs no assumption beyond independence, but has a floor of 1/(1+permutations).
// Classifier's is an approximation for dozens of rows and more; with one column it is conservative.
//
// A large sample makes any difference significant: 100,000 images differ from any reference in something. A p-value says that
// there is a difference, PSI, AUC, d and mmd2 how large it is; an alarm should ask for both.
//
// Many tests at once need [Holm] or [Bonferroni]: of a thousand classes fifty have p below 0.05 on any clean day.
//
// # What it costs
//
// On one core of an AMD EPYC, other programs beside, for a reference of 500 rows of 33 values (2,000 values for KS) and a window of
// 500: KS takes 0.07 ms, MMD with 200 permutations 5 ms without drift, when it may stop early, and 14 ms with, Classifier 4 to
// 11 ms, a projection of 512 values to 32 2.6 µs, a Mahalanobis distance 1 µs for 10 classes and 27 µs for 1,000 (go test -bench .,
// processor time). No function starts a goroutine, except that the fits of [FitProjection] and [FitMahalanobis], which are made
// once, may use several while they run.
//
// # Referees
//
// scipy, statsmodels, scikit-learn and alibi-detect compute the same numbers in interop_test.go, testdata/goldens.json keeps some
// of theirs, and null_test.go draws samples without drift and counts how often each test is wrong.
package drift
