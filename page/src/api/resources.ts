import { path, request, requestJson } from "./client.ts";
import type { Associations, Experiment, MeasureType, RejectedMessage, User } from "./shapes.ts";

/** One function for each endpoint of the REST API but the readings of measures, which stand in `measures.ts`. */

type Signal = AbortSignal | undefined;

export const ownUser = (signal?: Signal) => requestJson<User>("/users/me", { signal });
export const listUsers = (signal?: Signal) => requestJson<User[]>("/users/", { signal });
export const getUser = (userId: string, signal?: Signal) =>
  requestJson<User>(path`/users/${userId}`, { signal });
export const createUser = (user: User) => requestJson<User>("/users/", { method: "POST", body: user });
export const updateUser = (user: User) =>
  requestJson<User>(path`/users/${user.user_id}`, { method: "PUT", body: user });
export const eraseUser = (userId: string) => request(path`/users/${userId}`, { method: "DELETE" });

export const listExperiments = (signal?: Signal) => requestJson<Experiment[]>("/experiments/", { signal });
export const getExperiment = (experimentId: number, signal?: Signal) =>
  requestJson<Experiment>(path`/experiments/${experimentId}`, { signal });
export const createExperiment = (name: string) =>
  requestJson<Experiment>("/experiments/", { method: "POST", body: { name } });
export const renameExperiment = (experiment: Experiment) =>
  requestJson<Experiment>(path`/experiments/${experiment.experiment_id}`, {
    method: "PUT",
    body: experiment,
  });

export const listAssociations = (signal?: Signal) =>
  requestJson<Associations>("/scientists-experiments/", { signal });
export const associate = (experimentId: number, userId: string) =>
  request(path`/scientists-experiments/${experimentId}/${userId}`, { method: "POST" });
export const dissociate = (experimentId: number, userId: string) =>
  request(path`/scientists-experiments/${experimentId}/${userId}`, { method: "DELETE" });

export const listMeasureTypes = (signal?: Signal) =>
  requestJson<MeasureType[]>("/measure-types/", { signal });

export const getRejectedMessage = (id: number, signal?: Signal) =>
  requestJson<RejectedMessage>(path`/rejected-messages/${id}`, { signal });
export const discardRejectedMessage = (id: number) =>
  request(path`/rejected-messages/${id}`, { method: "DELETE" });
