package oip

import "strconv"

// input reads one input. Its data mostly come after the shape that says how much of it there is, and are read at once then; if
// not, they are walked over first and read last.
func (r *reader) input() error {
	in := input{reader: r}
	if err := r.object(in.member); err != nil {
		return err
	}
	if err := in.described(); err != nil {
		return err
	}
	err := in.finish()
	r.req.Inputs = append(r.req.Inputs, in.t)
	return err
}

// input is one that is being read.
type input struct {
	*reader
	t      Tensor
	shaped bool   // the shape is known
	given  bool   // there were data,
	later  []byte // and these are still to be read
}

func (in *input) member(key []byte) (err error) {
	t := &in.t
	switch string(key) {
	case "name":
		t.Name, err = in.textOf("The \"name\" of an input")
	case "datatype":
		var d string
		d, err = in.textOf("The \"datatype\" of input " + strconv.Quote(clip(t.Name)))
		t.Datatype = Datatype(d)
	case "shape":
		in.shaped = true
		t.Shape, err = in.shape(t.Name)
	case "parameters":
		t.Parameters, err = in.parameters("input " + strconv.Quote(clip(t.Name)))
	case "data":
		if in.given {
			return bad("bad_tensor", "Input %q has its \"data\" twice.", clip(t.Name))
		}
		in.given = true
		if in.described() == nil {
			return t.readJSON(&in.scanner)
		}
		in.later, err = in.value()
	default:
		err = in.skip()
	}
	return err
}

// described holds that all is known that data need.
func (in *input) described() error {
	t := &in.t
	switch {
	case t.Name == "":
		return bad("bad_tensor", "An input has no \"name\".")
	case t.Datatype != Bytes && t.Datatype.Size() == 0:
		return bad("bad_datatype", "Input %q has the datatype %q, which the protocol does not know.", clip(t.Name), clip(string(t.Datatype)))
	case !in.shaped:
		return bad("bad_shape", "Input %q has no \"shape\", which is a list of sizes.", clip(t.Name))
	}
	return nil
}

// finish gives the tensor its contents, if it has not got them yet.
func (in *input) finish() error {
	t := &in.t
	switch size := t.Parameters["binary_data_size"]; {
	case size != nil && in.given:
		return bad("bad_tensor", "Input %q has both \"data\" and \"binary_data_size\".", clip(t.Name))
	case size != nil:
		delete(t.Parameters, "binary_data_size")
		if err := in.takeBinary(t, size); err != nil {
			return err
		}
	case !in.given:
		return bad("bad_tensor", "Input %q has no \"data\".", clip(t.Name))
	case in.later != nil:
		if err := t.readJSON(&scanner{text: in.later}); err != nil {
			return err
		}
	}
	return t.Check()
}

// shape reads a list of sizes.
func (r *reader) shape(name string) (sizes []int64, err error) {
	if r.next() != '[' {
		return nil, bad("bad_shape", "The \"shape\" of input %q must be a list of sizes.", clip(name))
	}
	return sizes, r.array(func() error {
		text, err := r.value()
		if err != nil {
			return err
		}
		d, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil {
			return bad("bad_shape", "The shape of input %q must be made of whole numbers.", clip(name))
		}
		if len(sizes) == maxRank {
			return tooManyDimensions(name)
		}
		sizes = append(sizes, d)
		return nil
	})
}

func (r *reader) takeBinary(t *Tensor, size any) error {
	count, err := Count(t.Name, t.Shape)
	if err != nil {
		return err
	}
	n, ok := size.(int64)
	if !ok || n < 0 {
		return bad("bad_tensor", "The binary_data_size of input %q must be a whole number that is not negative.", clip(t.Name))
	}
	if n > int64(len(r.binary)) {
		return bad("bad_binary", "Input %q has a binary_data_size of %d, and only %d bytes are left in the body.", clip(t.Name), n, len(r.binary))
	}
	raw := r.binary[:n:n]
	r.binary = r.binary[n:]
	if t.Datatype != Bytes {
		t.Raw = raw
		return nil
	}
	t.Elements, err = SplitElements(t.Name, raw, count)
	return err
}
