import type {
  FeatureServiceDefinition,
  PermissionAction,
  RegistrySnapshot,
  ViewDefinition,
} from '../registry/registry-model.ts';
import type { EnteringCall } from './entrance.ts';

/** Who asks, as credentials proved. Made in `auth/` alone; the others pass it on and look at nothing in it. */
export interface Caller {
  /** As audit records and refusals name it. */
  readonly name: string;
  readonly roles: readonly string[];
  readonly groups: readonly string[];
  readonly namespaces: readonly string[];
  /** Another server of the deployment, which may do everything. */
  readonly isServer: boolean;
  /** When the proof ends, milliseconds since the epoch; `Infinity` = never. */
  readonly validUntilMs: number;
}

/** A call in which somebody asks for something: what a record of the decision is about. */
export interface AskingCall extends EnteringCall {
  /** Who asks; `undefined` = nobody found out, or needed to. */
  readonly caller: Caller | undefined;
}

/**
 * Finds out who asks from the header `authorization`; a promise only where somebody else has to be asked.
 *
 * @throws SideboardError (at once or by rejection) UNAUTHENTICATED, AUTHENTICATION_UNAVAILABLE, OVERLOADED
 */
export type Authenticate = (call: AskingCall) => Caller | Promise<Caller>;

/** An object of the registry that permissions are about. */
export type GuardedObject = ViewDefinition | FeatureServiceDefinition;

/** What somebody wants to do, and by which registry. */
export interface AccessRequest {
  readonly action: PermissionAction;
  /** All of them or none. What was granted is remembered by this array: hand over the same one for the same objects. */
  readonly objects: readonly GuardedObject[];
  readonly snapshot: RegistrySnapshot;
}

/**
 * Lets the caller of a call do something, or refuses.
 *
 * @param call without a caller, or `undefined`, it is refused.
 * @throws SideboardError PERMISSION_DENIED, UNAUTHENTICATED where the proof has ended meanwhile
 */
export type Authorize = (call: AskingCall | undefined, request: AccessRequest) => void;
