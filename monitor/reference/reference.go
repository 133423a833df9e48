// Package reference is what live traffic is compared with: what a model said of images that it was not trained on, and what those
// looked like.
//
// A [Reference] is made once, by [Build] from answers to a labelled set, and lies in the model's folder as drift.safetensors. It holds
// samples, not summaries, because two-sample tests need them: some thousand answers with their probabilities, their embeddings in
// the few coordinates that tell images apart, and the properties of their images. Nothing of it can be made an image again.
package reference

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/torchlit/torchlit/evaluate"
	"github.com/torchlit/torchlit/monitor"
	"github.com/torchlit/torchlit/monitor/accuracy"
	"github.com/torchlit/torchlit/monitor/drift"
)

// Reference describes a model's answers to images that are as they should be. Nobody changes one; any number of goroutines may read
// it.
type Reference struct {
	Source string   // the set that it was made of, for people
	Labels []string // names of the classes by index
	Images int      // answers that Accuracy and Calibration are made of; the samples are some of them

	Accuracy    float64            // share of right answers
	Calibration *accuracy.Isotonic // how often an answer of a confidence was right

	// Samples. Probabilities are rounded to float16, as the prediction log keeps them.
	Probabilities [][]float32                      // [sample][class]
	Properties    [][monitor.NumProperties]float32 // of the image; NaN where not known

	// Of models that give embeddings; else nil. The samples are fewer, and of other images.
	Projection *drift.Projection  // what makes the coordinates of an embedding
	Embeddings [][]float32        // [sample][coordinate]
	Space      *drift.Mahalanobis // where the classes lie among the coordinates
}

// Options say how much is kept. The zero value of a field stands for the default.
type Options struct {
	Source     string
	Samples    int    // most samples of probabilities and properties; default 5000
	Embeddings int    // most samples of embeddings; default 2000
	Dims       int    // coordinates of an embedding, beside the rest's length; default 32
	Seed       uint64 // of the choice of samples
}

// MinImages is the fewest answers that a reference is made of: half of them are samples, and with fewer a window of traffic is
// compared with chance.
const MinImages = 400

// minSamples is what that leaves.
const minSamples = MinImages / 2

const (
	defaultSamples    = 5000
	defaultEmbeddings = 2000
	defaultDims       = 32
)

func (o *Options) setDefaults() {
	if o.Samples == 0 {
		o.Samples = defaultSamples
	}
	if o.Embeddings == 0 {
		o.Embeddings = defaultEmbeddings
	}
	if o.Dims == 0 {
		o.Dims = defaultDims
	}
}

// Build makes a reference of answers and the true classes of their images. All answers are of one model, with all
// probabilities, and all or none with an embedding.
func Build(answers []*monitor.Answer, truth []int, o Options) (*Reference, error) {
	if len(answers) < MinImages {
		return nil, fmt.Errorf("cannot make a reference of %d images: it needs at least %d", len(answers), MinImages)
	}
	o.setDefaults()
	r := &Reference{Source: o.Source, Labels: answers[0].Labels, Images: len(answers)}
	if err := r.calibrate(answers, truth); err != nil {
		return nil, err
	}
	order := rand.New(rand.NewPCG(o.Seed, 0)).Perm(len(answers))
	for _, i := range order[:min(o.Samples, len(answers))] {
		a := answers[i]
		r.Probabilities = append(r.Probabilities, monitor.RoundHalf(a.Probabilities))
		r.Properties = append(r.Properties, a.Image.Properties())
	}
	if answers[0].Embedding == nil {
		return r, nil
	}
	// What embeddings are projected by is fitted to other images than the samples: to its own rows a fit is nearer than to any that
	// come later, and one in five windows without drift would look strange.
	n := min(o.Embeddings, len(answers)/2)
	return r, r.embed(answers, truth, order[:n], order[n:], o.Dims)
}

// calibrate learns how often the model is right.
func (r *Reference) calibrate(answers []*monitor.Answer, truth []int) error {
	confidence, right := make([]float64, len(answers)), make([]bool, len(answers))
	correct := 0
	for i, a := range answers {
		if len(a.Probabilities) != len(r.Labels) {
			panic(fmt.Sprintf("BUG: %d probabilities for %d labels", len(a.Probabilities), len(r.Labels)))
		}
		class := evaluate.Best(a.Probabilities)
		confidence[i], right[i] = float64(a.Probabilities[class]), class == truth[i]
		if math.IsNaN(confidence[i]) {
			return errors.New("cannot make a reference: the model's answers are not numbers; its weights are broken")
		}
		if right[i] {
			correct++
		}
	}
	r.Accuracy = float64(correct) / float64(len(answers))
	r.Calibration = accuracy.FitIsotonic(confidence, right)
	return nil
}

// embed finds the coordinates in which embeddings are compared, from the others, and those of the chosen answers.
func (r *Reference) embed(answers []*monitor.Answer, truth, chosen, others []int, dims int) (err error) {
	rows, classes := make([][]float32, len(others)), make([]int, len(others))
	for k, i := range others {
		rows[k], classes[k] = monitor.RoundHalf(answers[i].Embedding), truth[i]
	}
	if r.Projection, err = drift.FitProjection(rows, min(dims, len(rows[0]))); err != nil {
		return fmt.Errorf("cannot make a reference of embeddings: %w", err)
	}
	for k, row := range rows {
		rows[k] = r.Projection.Apply(nil, row)
	}
	if r.Space, err = drift.FitMahalanobis(rows, classes, len(r.Labels)); err != nil {
		return fmt.Errorf("cannot make a reference of embeddings: %w", err)
	}
	for _, i := range chosen {
		r.Embeddings = append(r.Embeddings, r.Projection.Apply(nil, monitor.RoundHalf(answers[i].Embedding)))
	}
	return nil
}
