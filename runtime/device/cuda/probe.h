// Whether the running device has code in this build.
#pragma once

namespace hasten {

// cudaSuccess, or the error of looking a kernel up on the current device.
int ProbeKernelImage();

}  // namespace hasten
