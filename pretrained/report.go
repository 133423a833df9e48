package pretrained

import (
	"fmt"
	"strings"

	"github.com/torchlit/torchlit/modeldir"
)

// Report says what happened to each tensor, by the network's names for them.
type Report struct {
	ID      string // what was asked for
	Path    string // of the file
	Section string // of a checkpoint, such as "state_dict"; "" for none
	Prefix  string // that the names had in the file, such as "model."; "" for none

	// Folder is the model folder that the weights came in, nil for a file alone; see
	// [Source.Folder].
	Folder *modeldir.Folder

	Loaded  []string     // as they were
	Adapted []Adaptation // made to fit
	Fresh   []string     // left as the network had them: a classifier of other classes
	Unused  []string     // in the file, and not of the network, such as a loss's weights
}

// Adaptation is a tensor that was made to fit.
type Adaptation struct {
	Name     string
	From, To []int64 // shapes
}

// String says it in a line, for a log.
func (r *Report) String() string {
	parts := []string{fmt.Sprintf("%d tensors loaded", len(r.Loaded))}
	for _, a := range r.Adapted {
		parts = append(parts, fmt.Sprintf("%s adapted from %v to %v", a.Name, a.From, a.To))
	}
	if len(r.Fresh) > 0 {
		parts = append(parts, strings.Join(r.Fresh, ", ")+" fresh")
	}
	if len(r.Unused) > 0 {
		parts = append(parts, some(r.Unused)+" not used")
	}
	from := r.ID
	if r.Section != "" {
		from += ", " + r.Section
	}
	if r.Prefix != "" {
		from += fmt.Sprintf(", below %q", r.Prefix)
	}
	return from + ": " + strings.Join(parts, "; ")
}
