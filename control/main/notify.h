#pragma once

// Tells the service manager how it stands (sd_notify(3)): one datagram to the socket that
// NOTIFY_SOCKET names. Without it, or where nobody listens, nothing happens.

#include <string_view>

namespace sluice {

// "READY=1", "STOPPING=1", "STATUS=…". Control thread.
void notify_service_manager(std::string_view state);

}  // namespace sluice
