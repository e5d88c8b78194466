#include "pg/shmem.hpp"

namespace zdm::pg
{

namespace
{

Size (*size_of)() = nullptr;
void (*start_with)(void *memory, LWLock *lock, bool found) = nullptr;
shmem_request_hook_type next_request = nullptr;
shmem_startup_hook_type next_startup = nullptr;

} // namespace

extern "C" {

static void request()
{
    if (next_request != nullptr) {
        next_request();
    }
    RequestAddinShmemSpace(size_of());
    RequestNamedLWLockTranche("zdm", 1);
}

static void startup()
{
    if (next_startup != nullptr) {
        next_startup();
    }
    bool found = false;

    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    void *memory = ShmemInitStruct("zdm", size_of(), &found);
    start_with(memory, &GetNamedLWLockTranche("zdm")->lock, found);
    LWLockRelease(AddinShmemInitLock);
}

} // extern "C"

void share_memory(Size (*size)(), void (*start)(void *memory, LWLock *lock, bool found))
{
    size_of = size;
    start_with = start;
    next_request = shmem_request_hook;
    shmem_request_hook = request;
    next_startup = shmem_startup_hook;
    shmem_startup_hook = startup;
}

} // namespace zdm::pg
