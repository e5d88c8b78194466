#include "jobs/board.hpp"

#include "conf/conf.hpp"
#include "pg/shmem.hpp"

namespace zdm::jobs::board
{

namespace
{

constexpr int kWishes = 64;
constexpr int kForgottenMs = 60 * 1000;

struct Wish {
    Oid database;
    bool later;
};

// taken, database, since: the launcher, until the worker attaches. All else: the worker. Both under the lock.
struct Slot {
    bool taken;
    bool attached;
    Oid database;
    TimestampTz since;
    int64 job; // 0: none yet
    uint64 nudges;
    Latch *latch;
};

struct Board {
    LWLock *lock; // set once, at start
    // All below: under the lock.
    Latch *launcher;      // null while there is none
    bool look_everywhere; // more wishes than room
    int wish_count;
    Wish wishes[kWishes];
    int slot_count;
    Slot slots[FLEXIBLE_ARRAY_MEMBER];
};

Board *board = nullptr;
int my_slot = -1;
bool leaves_work = true;

Size board_size()
{
    return add_size(offsetof(Board, slots), mul_size(sizeof(Slot), static_cast<Size>(conf::current().max_workers)));
}

void start(void *memory, LWLock *lock, bool found)
{
    board = static_cast<Board *>(memory);
    if (!found) {
        memset(memory, 0, board_size());
        board->lock = lock;
        board->slot_count = conf::current().max_workers;
        // Whatever was at work when the server went down is in some database.
        board->look_everywhere = true;
    }
}

template <class F> auto locked(LWLockMode mode, F &&body)
{
    LWLockAcquire(board->lock, mode);
    if constexpr (std::is_void_v<decltype(body())>) {
        body();
        LWLockRelease(board->lock);
    } else {
        const auto result = body();
        LWLockRelease(board->lock);
        return result;
    }
}

void wish_under_lock(Oid database, bool later)
{
    for (int i = 0; i < board->wish_count; i++) {
        if (board->wishes[i].database == database) {
            board->wishes[i].later = board->wishes[i].later && later;
            return;
        }
    }
    if (board->wish_count == kWishes) {
        board->look_everywhere = true;
        return;
    }
    board->wishes[board->wish_count++] = {database, later};
}

void wake_launcher_under_lock()
{
    if (board->launcher != nullptr) {
        SetLatch(board->launcher);
    }
}

} // namespace

extern "C" {

static void launcher_leaves(int, Datum)
{
    locked(LW_EXCLUSIVE, [] { board->launcher = nullptr; });
}

static void worker_leaves(int, Datum)
{
    locked(LW_EXCLUSIVE, [] {
        const Oid database = board->slots[my_slot].database;
        board->slots[my_slot] = {};
        if (leaves_work) {
            wish_under_lock(database, true);
        }
        wake_launcher_under_lock();
    });
    my_slot = -1;
}

} // extern "C"

void install() { pg::share_memory(board_size, start); }

bool exists() { return board != nullptr; }

void wish(Oid database, bool later)
{
    locked(LW_EXCLUSIVE, [&] {
        wish_under_lock(database, later);
        wake_launcher_under_lock();
    });
}

void nudge(Oid database)
{
    locked(LW_EXCLUSIVE, [&] {
        for (int i = 0; i < board->slot_count; i++) {
            Slot &slot = board->slots[i];
            if (slot.attached && slot.database == database) {
                slot.nudges++;
                SetLatch(slot.latch);
            }
        }
    });
}

void launcher_arrives()
{
    before_shmem_exit(launcher_leaves, 0);
    locked(LW_EXCLUSIVE, [] { board->launcher = MyLatch; });
}

bool take_wishes(List **databases_now, List **databases_later)
{
    Wish wishes[kWishes];
    int count = 0;

    // No allocation under the lock.
    const bool everywhere = locked(LW_EXCLUSIVE, [&] {
        const bool all = board->look_everywhere;
        count = board->wish_count;
        memcpy(wishes, board->wishes, sizeof(Wish) * static_cast<Size>(count));
        board->wish_count = 0;
        board->look_everywhere = false;
        return all;
    });
    for (int i = 0; i < count; i++) {
        List **list = wishes[i].later ? databases_later : databases_now;
        *list = list_append_unique_oid(*list, wishes[i].database);
    }
    return everywhere;
}

int reserve(Oid database)
{
    const TimestampTz now = GetCurrentTimestamp();

    return locked(LW_EXCLUSIVE, [&] {
        for (int i = 0; i < board->slot_count; i++) {
            if (!board->slots[i].taken) {
                board->slots[i] = {true, false, database, now, 0, 0, nullptr};
                return i;
            }
        }
        return -1;
    });
}

void release(int slot)
{
    locked(LW_EXCLUSIVE, [&] {
        if (!board->slots[slot].attached) {
            board->slots[slot] = {};
        }
    });
}

void release_forgotten()
{
    const TimestampTz now = GetCurrentTimestamp();

    locked(LW_EXCLUSIVE, [&] {
        for (int i = 0; i < board->slot_count; i++) {
            Slot &slot = board->slots[i];
            if (slot.taken && !slot.attached && TimestampDifferenceExceeds(slot.since, now, kForgottenMs)) {
                wish_under_lock(slot.database, false);
                slot = {};
            }
        }
    });
}

Oid attach(int slot)
{
    const Oid database = locked(LW_EXCLUSIVE, [&] {
        Slot &mine = board->slots[slot];
        if (!mine.taken || mine.attached) {
            return InvalidOid;
        }
        mine.attached = true;
        mine.latch = MyLatch;
        return mine.database;
    });
    if (OidIsValid(database)) {
        my_slot = slot;
        before_shmem_exit(worker_leaves, 0);
    }
    return database;
}

bool claim(int64 job)
{
    return locked(LW_EXCLUSIVE, [&] {
        const Oid database = board->slots[my_slot].database;
        for (int i = 0; i < board->slot_count; i++) {
            if (board->slots[i].job == job && board->slots[i].database == database) {
                return false;
            }
        }
        board->slots[my_slot].job = job;
        return true;
    });
}

bool is_claimed(int64 job)
{
    return locked(LW_SHARED, [&] {
        for (int i = 0; i < board->slot_count; i++) {
            if (board->slots[i].job == job && board->slots[i].database == MyDatabaseId) {
                return true;
            }
        }
        return false;
    });
}

uint64 nudges()
{
    return locked(LW_SHARED, [] { return board->slots[my_slot].nudges; });
}

void leave_behind(bool work) { leaves_work = work; }

Datum busy_jobs()
{
    int64 jobs[64];
    Datum texts[64];
    int count = 0;

    if (exists()) {
        locked(LW_SHARED, [&] {
            for (int i = 0; i < board->slot_count && count < static_cast<int>(lengthof(jobs)); i++) {
                if (board->slots[i].job != 0 && board->slots[i].database == MyDatabaseId) {
                    jobs[count++] = board->slots[i].job;
                }
            }
        });
    }
    for (int i = 0; i < count; i++) {
        texts[i] = CStringGetTextDatum(psprintf(INT64_FORMAT, jobs[i]));
    }
    return PointerGetDatum(construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

} // namespace zdm::jobs::board
