package server

import "github.com/valyala/fasthttp"

// hotPath is an address by which images come, with what the router would find there: the handler, and the path's values.
//
// The router walks its tree for each request and makes a string of each value on the way. That is a sixth of what a small
// request costs, and the addresses that matter are known: those of the models that are served. So a catalog has them in a map,
// and what is not in it, such as a path with escapes in it, goes to the router, which would find the same.
type hotPath struct {
	handler        fasthttp.RequestHandler
	model, version any // strings; nil where the path names none
}

// hotPaths are those of c's models, for POST.
func (s *Server) hotPaths(c *catalog) map[string]hotPath {
	classify, infer := s.keyed(s.classify), s.keyed(s.protocol.Infer)
	hot := map[string]hotPath{"/v1/classify": {handler: classify}}
	add := func(path string, model, version any) {
		hot["/v1/models/"+path+"/classify"] = hotPath{classify, model, version}
		hot["/v2/models/"+path+"/infer"] = hotPath{infer, model, version}
	}
	for _, m := range c.models {
		add(m.Name, m.Name, nil)
		add(m.Name+"/versions/"+m.Version, m.Name, m.Version)
	}
	return hot
}

// dispatch calls the handler of the request's path.
func (s *Server) dispatch(ctx *fasthttp.RequestCtx) {
	if s.tracer == nil && ctx.IsPost() { // a trace wants the route's name
		if hot, ok := s.catalog.Load().hot[string(ctx.URI().PathOriginal())]; ok {
			ctx.SetUserValue("model", hot.model)
			ctx.SetUserValue("version", hot.version)
			hot.handler(ctx)
			return
		}
	}
	s.router.Handler(ctx)
}
