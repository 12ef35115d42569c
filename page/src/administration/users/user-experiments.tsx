import { listExperimentsOf } from "../../api/resources.ts";
import type { User } from "../../api/shapes.ts";
import { Button, Dialog, LoadState } from "../../design/components.tsx";
import { useLoad } from "../../design/load.ts";
import { PagedList } from "../../design/paged-list.tsx";
import { href } from "../../routing/address.ts";

/** The experiments that a scientist may read. */
export function UserExperiments({ user, onClose }: { user: User; onClose: () => void }) {
  const loaded = useLoad((signal) => listExperimentsOf(user.user_id, signal), [user.user_id]);
  return (
    <Dialog title={`Experiments of ${user.user_id}`} onClose={onClose}>
      <div class="stack">
        <LoadState loaded={loaded} what="the experiments" />
        {loaded.value && loaded.value.length > 0 && (
          <PagedList rows={loaded.value}>
            {(shown) => (
              <ul class="choices choices-many">
                {shown.map(({ experiment_id, name, archived }) => (
                  <li key={experiment_id}>
                    <a href={href(["administration", "experiments", experiment_id])}>
                      <bdi>{name}</bdi>
                    </a>{" "}
                    {archived && <span class="badge">archived</span>}
                  </li>
                ))}
              </ul>
            )}
          </PagedList>
        )}
        {loaded.value?.length === 0 && (
          <p>
            <bdi>{user.name}</bdi> is associated with none.
          </p>
        )}
        <div class="dialog-actions">
          <Button onClick={onClose}>Close</Button>
        </div>
      </div>
    </Dialog>
  );
}
