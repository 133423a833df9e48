package server

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
)

const (
	maxFormParts  = 1000 // files and fields together
	maxFieldBytes = 64   // a number
)

// parseForm reads multipart/form-data. Every part with a file name is an image, whatever the field is called; so is one
// without if its field is called image, images, file or files. The fields top_k, timeout_ms and priority are options; others are
// passed over.
func (u *upload) parseForm(contentType string, body []byte, lim limits) error {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil || params["boundary"] == "" {
		return badRequest("bad_form", "The form's Content-Type names no boundary; let the HTTP client set that header.")
	}
	if err := lim.holds(2 * len(body)); err != nil { // its files are copied
		return err
	}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	files := 0
	for parts := 0; ; parts++ {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || parts == maxFormParts {
			return badRequest("bad_form", "The form cannot be read: it is damaged, cut short, or not multipart/form-data.")
		}
		switch kind := partKind(part); kind {
		case "":
		case "image":
			if files++; files > lim.images {
				continue // counted for the sentence below, not read
			}
			b := u.buffer()
			if _, err := b.ReadFrom(part); err != nil {
				return badRequest("bad_form", "The form cannot be read: it ends within a file.")
			}
			u.images = append(u.images, b.B)
		default:
			text, err := io.ReadAll(io.LimitReader(part, maxFieldBytes))
			if err != nil {
				return badRequest("bad_form", "The form cannot be read: it ends within a field.")
			}
			if err := u.setOption(kind, string(text), lim); err != nil {
				return err
			}
		}
	}
	if files > lim.images {
		return tooManyImages(files, lim.images)
	}
	if files == 0 {
		return badRequest("no_image", "The form has no file; add one, for example with curl -F image=@photo.jpg.")
	}
	u.list = files > 1
	return nil
}

// partKind says what a part is: "image", the name of an option, or nothing of ours.
func partKind(p *multipart.Part) string {
	if p.FileName() != "" {
		return "image"
	}
	switch name := p.FormName(); name {
	case "image", "images", "file", "files":
		return "image"
	case "top_k", "timeout_ms", "priority":
		return name
	}
	return ""
}
