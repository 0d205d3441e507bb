#include "control/server/local_file.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace sluice {

namespace {

// statfs(2). What <linux/magic.h> lacks stands there by its value.
constexpr std::array<std::uint32_t, 15> kLocalFileSystems = {
    TMPFS_MAGIC,          RAMFS_MAGIC,          HUGETLBFS_MAGIC,       EXT4_SUPER_MAGIC,
    BTRFS_SUPER_MAGIC,    F2FS_SUPER_MAGIC,     MSDOS_SUPER_MAGIC,     OVERLAYFS_SUPER_MAGIC,
    SQUASHFS_MAGIC,       EROFS_SUPER_MAGIC_V1, XFS_SUPER_MAGIC,       ISOFS_SUPER_MAGIC,
    REISERFS_SUPER_MAGIC, NILFS_SUPER_MAGIC,    0x2fc12fc1u /* ZFS */,
};

}  // namespace

bool is_local_file(int descriptor) {
  struct stat facts {};
  if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) return false;
  struct statfs system {};
  if (::fstatfs(descriptor, &system) != 0) return false;
  const auto type = static_cast<std::uint32_t>(system.f_type);
  return std::find(kLocalFileSystems.begin(), kLocalFileSystems.end(), type) !=
         kLocalFileSystems.end();
}

}  // namespace sluice
