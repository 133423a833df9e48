package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/torchlit/torchlit/client"
	"github.com/torchlit/torchlit/monitor/labels"
)

func logLabelCommand() *cobra.Command {
	var url, model, keyFile string
	cmd := &cobra.Command{
		Use:   "label FILE",
		Short: "Send the true labels of earlier answers to a server",
		Long: `Send the true labels of earlier answers to a server, from a file or, for -, from standard
input: CSV whose first line names the columns request_id and label (or index), or JSON with
{"request_id": "…", "label": "…"} in each line. The server says of each label whether it is
stored; sent again, the last label of an answer counts.

It exits with 1 when the server refuses a label for another reason than that its log has no
such answer (it is deleted, was dropped, or is not in the sample), or when it stores none.`,
		Example: `  torchlit log label labels.csv
  torchlit log label --url https://cats.example --api-key-file key --model cats - <labels.jsonl`,
		Args: argsNamed("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if url == "" {
				var err error
				if url, err = ownAddress(""); err != nil {
					return usageError{err}
				}
			}
			c, err := labelClient(url, keyFile)
			if err != nil {
				return err
			}
			defer c.Close()
			in, err := openInput(cmd, args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			if model == "" {
				if model, err = onlyModel(cmd.Context(), c); err != nil {
					return err
				}
			}
			return sendLabels(cmd, c, model, args[0], in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&url, "url", "", "address of the server, such as http://localhost:8080 (default: where TORCHLIT_SERVER_ADDR has 'torchlit serve' listen on this machine)")
	f.StringVar(&keyFile, "api-key-file", "", "file with the key that the server asks for, as 'torchlit key' printed it")
	f.StringVar(&model, "model", "", "model that gave the answers (default: the server's only one)")
	return cmd
}

func labelClient(url, keyFile string) (*client.Client, error) {
	options := []client.Option{client.WithUserAgent("torchlit-log")}
	if keyFile != "" {
		key, err := os.ReadFile(keyFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read the key: %w; name its file with --api-key-file", err)
		}
		options = append(options, client.WithAPIKey(string(bytes.TrimSpace(key))))
	}
	c, err := client.New(url, options...)
	if err != nil {
		return nil, usageError{fmt.Errorf("%w (--url)", err)}
	}
	return c, nil
}

func openInput(cmd *cobra.Command, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read labels: %w", err)
	}
	return f, nil
}

// onlyModel is the name of the only model that a server has.
func onlyModel(ctx context.Context, c *client.Client) (string, error) {
	list, err := c.Models(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, m := range list.Models {
		names = append(names, m.Name)
	}
	if len(names) != 1 {
		return "", usageError{fmt.Errorf("the server has the models %q; name the one that gave the answers with --model", names)}
	}
	return names[0], nil
}

// readLabels tells JSON from CSV by the first byte.
func readLabels(in io.Reader) (labels.Reader, error) {
	b := bufio.NewReader(in)
	for n := 1; ; n++ {
		text, err := b.Peek(n)
		switch {
		case err == nil && strings.ContainsRune(" \t\r\n", rune(text[n-1])) && n < b.Size():
		case err == nil && text[n-1] == '{':
			return labels.NewJSON(b), nil
		default:
			return labels.NewCSV(b)
		}
	}
}

// labelTally is what became of labels so far.
type labelTally struct {
	sent, stored, correct int
	blank                 int // lines whose label is still to be filled in
	refused               map[client.Code]*labelRefusal
}

type labelRefusal struct {
	n     int
	first string // id and the server's words
	line  int
}

func sendLabels(cmd *cobra.Command, c *client.Client, model, name string, in io.Reader) error {
	t := labelTally{refused: map[client.Code]*labelRefusal{}}
	err := t.send(cmd.Context(), c, model, in)
	if err != nil && t.sent > 0 {
		err = fmt.Errorf("%w; of the labels before %d are stored, and the file may be sent again", err, t.stored)
	}
	if err != nil {
		return fmt.Errorf("cannot send the labels in %q: %w", name, err)
	}
	return errors.Join(t.print(cmd.OutOrStdout()), t.verdict())
}

func (t *labelTally) send(ctx context.Context, c *client.Client, model string, in io.Reader) error {
	r, err := readLabels(in)
	if err != nil {
		return err
	}
	var part []client.Label
	var lines []int
	for {
		l, line, err := r.Next()
		if errors.Is(err, labels.ErrNoLabel) {
			t.blank++
			continue
		}
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return err
		}
		if !end {
			part, lines = append(part, client.Label{RequestID: l.RequestID, Name: l.Name, Index: l.Index}), append(lines, line)
		}
		if len(part) == client.MaxLabels || end && len(part) > 0 {
			results, err := c.FeedbackBatch(ctx, model, part)
			if err != nil {
				return err
			}
			for i, r := range results {
				t.add(part[i].RequestID, lines[i], r)
			}
			part, lines = part[:0], lines[:0]
		}
		if end {
			return nil
		}
	}
}

func (t *labelTally) add(id string, line int, r client.FeedbackResult) {
	t.sent++
	if r.Err == nil {
		t.stored++
		if r.Correct {
			t.correct++
		}
		return
	}
	var code client.Code
	words := r.Err.Error()
	if e, ok := errors.AsType[*client.Error](r.Err); ok {
		code, words = e.Code, e.Message
	}
	if t.refused[code] == nil {
		t.refused[code] = &labelRefusal{first: fmt.Sprintf("%q: %s", id, words), line: line}
	}
	t.refused[code].n++
}

func (t *labelTally) print(w io.Writer) error {
	fmt.Fprintf(w, "%d of %d labels are stored; %d of the answers were right\n", t.stored, t.sent, t.correct)
	if t.blank > 0 {
		fmt.Fprintf(w, "%d lines without a label were passed over\n", t.blank)
	}
	if len(t.refused) == 0 {
		return nil
	}
	codes := make([]client.Code, 0, len(t.refused))
	for code := range t.refused {
		codes = append(codes, code)
	}
	slices.SortFunc(codes, func(a, b client.Code) int { return t.refused[b].n - t.refused[a].n })
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "not stored\tlabels\tfirst in line")
	for _, code := range codes {
		r := t.refused[code]
		fmt.Fprintf(out, "%s\t%d\t%d, %s\n", string(code), r.n, r.line, r.first)
	}
	return out.Flush()
}

// verdict is an error unless what was refused is what a log may well have forgotten.
func (t *labelTally) verdict() error {
	for code, r := range t.refused {
		if code != client.ErrUnknownRequest && code != client.ErrNotSampled {
			return fmt.Errorf("%d labels were refused as %s", r.n, string(code))
		}
	}
	if t.sent > 0 && t.stored == 0 {
		return errors.New("no label was stored: the log knows none of the requests; is it the right server, and the right --model?")
	}
	if t.sent == 0 {
		return errors.New("there are no labels in the file")
	}
	return nil
}
