package predict

// computeNice is how much later the threads that compute are scheduled than those that answer.
//
// A runner's threads use all that the processors have. Under overload, where most requests are refused at once, the
// refusals then wait for the kernel to take a processor from a thread that computes, several milliseconds long. What answers needs a few
// microseconds each time, so letting it go first costs the computation nothing.
const computeNice = 5
