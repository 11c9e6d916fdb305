import type { AskingCall } from '../call/access.ts';

/** A decision, for those who have to answer for it. Holds no value, no token and no part of one. */
export type AuditRecord =
  | {
      readonly decision: 'denied';
      readonly what: 'authentication';
      readonly reason: string;
    }
  | {
      readonly decision: 'granted' | 'denied';
      readonly what: 'permission';
      readonly caller: string;
      readonly action: string;
      readonly project: string;
      /** Names of feature views, or of a feature service; of a denial, the one that was in the way. */
      readonly objects: readonly string[];
      /** Permissions of the registry that granted it. */
      readonly permissions: readonly string[];
      readonly registryVersion: string;
      readonly reason: string | undefined;
    };

/** Writes a decision down. @param call the one that it was taken for */
export type Audit = (record: AuditRecord, call: AskingCall) => void;
