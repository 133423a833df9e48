package digits

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/torchlit/torchlit/examples/internal/program"
)

// Source says where digits come from. It is set by flags.
type Source struct {
	data, mirror *string
	images       *int
}

// Flags defines -data, -mirror and -images, with the number of digits to draw unless
// -images says otherwise.
func Flags(flags *flag.FlagSet, images int) *Source {
	return &Source{
		data:   flags.String("data", "", "`folder` of MNIST, whose files are downloaded if they are missing; without it digits are drawn"),
		mirror: flags.String("mirror", Mirror, "`URL` of the folder that MNIST is downloaded from"),
		images: program.Positive(flags, "images", images, "`number` of digits to draw for the training; a sixth as many are drawn for the test"),
	}
}

// Open provides the pictures to train and to test with, and says on stdout which.
func (s *Source) Open(ctx context.Context, seed uint64, stdout io.Writer) (train, test *Set, err error) {
	what := "drawn digits (-data reads MNIST)"
	if *s.data == "" {
		// The seeds differ, so that no picture of the test has been trained with.
		train, test = Draw(*s.images, seed), Draw((*s.images+5)/6, ^seed)
	} else {
		what = "pictures of MNIST"
		train, test, err = MNIST(ctx, *s.data, *s.mirror)
		if err != nil {
			return nil, nil, err
		}
	}
	fmt.Fprintf(stdout, "%d %s to train with, %d to test\n", train.Len(), what, test.Len())
	return train, test, nil
}
