// Package repository keeps a folder of models and what is loaded of it in step: it decides which versions are to be
// loaded, loads, reloads and unloads them, on a caller's word or because the folder changed, and tells which serve.
// It knows nothing of networks or of HTTP: it is handed a function that loads a folder, and one that
// puts a set of loaded models in the place of another.
//
// # Goal
//
// Whatever happens to the folder, no request suffers. A model that answers goes on until another is ready in its place;
// a folder that cannot be loaded changes nothing but a line in the index; memory holds two loadings of a version only
// while one takes the other's place.
//
// # Which versions
//
// Of the versions that lie in <name>/<version>/, a [Policy] chooses: the latest n, all, or listed ones. A version that
// cannot be loaded is passed over, so "the latest one" is the latest that works. Versions that the model's traffic names
// (a pinned default, a canary, a shadow) are kept beside what the policy chooses, and the canary and the shadow do not
// count for it: with "latest:1" and version 2 as the canary, versions 1 and 2 are loaded; when 2 is the canary no
// more, it is the latest, and 1 goes.
//
// # When
//
// A folder that is being copied looks complete at every moment to whoever looks once. So a version is loaded, reloaded or
// unloaded only when its folder has not changed for Config.Settle: the same files, of the same sizes, times of
// modification and inodes. For a folder that was renamed into its place that is a short delay; for one that is copied, its
// end. A copy that pauses for longer is tried too early: it then lacks a file or has a truncated one, the load fails with that reason, what served
// before still serves, and the next change tries again. If the folder changes while it is loaded, what was loaded is
// thrown away.
//
// The system's notifications (inotify and its like) only say when to look; what is done depends on what is seen. Where
// they do not come (network file systems), looking every Config.Interval finds the same a little later. If the folder
// itself cannot be read, nothing is unloaded.
//
// # How a version is replaced
//
//	load beside the old ──▶ Publish the set with the new in the old's place ──▶ Close the old
//
// Publish is atomic for requests. Close returns when the requests that held the old one are answered. Changes of one
// model happen one after another; loads of all models do, because each measures its own speed while it warms up.
package repository
